"""Counts in SQL: every replica adds its own."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_classifier.adapters.tables import model_counts, verdict_counts
from alerthistory_classifier.adapters.upserts import Insert, insert_into
from alerthistory_classifier.ports import ModelCounts, Tally
from alerthistory_common.alerts import Severity
from alerthistory_common.database import Database


class SqlTallyStore:
    """The port ``TallyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tally: Tally) -> None:
        """Add *tally*, durably. Rows are sorted: replicas lock them in one order."""
        verdicts = [
            {"day": day, "source": source, "severity": severity.value, "count": count}
            for (day, source, severity), count in sorted(tally.verdicts.items())
        ]
        models = [
            {"day": day, "model": model, **asdict(counts)} for (day, model), counts in sorted(tally.models.items())
        ]

        async def work(connection: AsyncConnection) -> None:
            for table, rows in ((verdict_counts, verdicts), (model_counts, models)):
                if rows:
                    await connection.execute(self._adding(table), rows)

        await self._database.write(work)

    async def total(self, *, since_day: int) -> Tally:
        """Return what was counted from a day on."""

        async def work(connection: AsyncConnection) -> Tally:
            verdicts = await connection.execute(select(verdict_counts).where(verdict_counts.c.day >= since_day))
            models = await connection.execute(select(model_counts).where(model_counts.c.day >= since_day))
            return Tally(verdicts=_verdicts(verdicts.all()), models=_models(models.mappings().all()))

        return await self._database.read(work)

    def _adding(self, table: Table) -> Insert:
        statement = insert_into(self._database, table)
        sums = {
            column.name: column + statement.excluded[column.name] for column in table.columns if not column.primary_key
        }
        return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=sums)


def _verdicts(rows: Sequence[Any]) -> dict[tuple[int, str, Severity], int]:
    return {(row.day, row.source, Severity(row.severity)): row.count for row in rows}


def _models(rows: Sequence[Any]) -> dict[tuple[int, str], ModelCounts]:
    return {
        (row["day"], row["model"]): ModelCounts(
            **{name: value for name, value in row.items() if name not in {"day", "model"}}
        )
        for row in rows
    }
