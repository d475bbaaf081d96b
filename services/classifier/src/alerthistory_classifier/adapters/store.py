"""Verdicts in SQL."""

import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_classifier.adapters.tables import classifications
from alerthistory_classifier.adapters.upserts import Insert, key_of, upserting
from alerthistory_classifier.ports import Classification, Place
from alerthistory_common import bulk
from alerthistory_common.alerts import Fingerprint, Instant, Severity, Verdict
from alerthistory_common.database import Database

_REPLACE = bulk.insert(
    classifications,
    tail="ON CONFLICT (fp_hash) DO UPDATE SET "
    + ", ".join(f"{column.name} = excluded.{column.name}" for column in classifications.c if not column.primary_key),
)

_MICROSECOND = timedelta(microseconds=1)


class SqlVerdictStore:
    """The port ``VerdictStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, kept: Sequence[Classification]) -> None:
        """Keep each in place of its alert's earlier one, durably; of several about one alert the last."""
        latest = {classification.fingerprint: classification for classification in kept}
        rows = [_row(classification) for classification in latest.values()]
        # Replicas lock rows in one order, so that they do not lock each other out.
        rows.sort(key=lambda row: row["fp_hash"])
        await self._database.write(lambda connection: _REPLACE.run(connection, rows))

    async def keep_newer(self, kept: Sequence[Classification]) -> set[Fingerprint]:
        """Keep, durably, each whose alert has no verdict or an earlier one; return whose were kept. One per alert."""
        if not kept:
            return set()
        rows = sorted((_row(classification) for classification in kept), key=lambda row: row["fp_hash"])
        upsert = upserting(self._database, classifications, "fp_hash", is_wanted=_is_newer).values(rows)
        returned = upsert.returning(classifications.c.fingerprint)
        result = await self._database.write(lambda connection: connection.execute(returned))
        return {Fingerprint(fingerprint) for fingerprint in result.scalars()}

    async def find(self, fingerprint: Fingerprint) -> Classification | None:
        """Return the stored verdict of an alert, None when it has none."""
        statement = select(classifications).where(classifications.c.fp_hash == key_of(fingerprint))
        result = await self._database.read(lambda connection: connection.execute(statement))
        row = result.one_or_none()
        return None if row is None else _classification(row)

    async def find_all(self, fingerprints: Collection[Fingerprint]) -> list[Classification]:
        """Return the stored verdicts of those of *fingerprints* that have one."""
        statement = select(classifications).where(classifications.c.fp_hash.in_(map(key_of, fingerprints)))
        result = await self._database.read(lambda connection: connection.execute(statement))
        return list(map(_classification, result))

    async def page(self, *, min_confidence: float, after: Place | None, limit: int) -> list[Classification]:
        """Return a page of verdicts of at least *min_confidence*, newest first."""
        columns = classifications.c
        statement = (
            select(classifications)
            .where(columns.confidence >= min_confidence)
            .order_by(columns.created_at.desc(), columns.fp_hash.desc())
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(tuple_(columns.created_at, columns.fp_hash) < tuple_(*after))
        result = await self._database.read(lambda connection: connection.execute(statement))
        return list(map(_classification, result))

    async def delete_before(self, moment: Instant, limit: int) -> int:
        """Delete at most *limit* verdicts that were made before *moment*, the oldest first; return how many."""
        columns = classifications.c
        old = (
            select(columns.fp_hash)
            .where(columns.created_at < moment.micros)
            .order_by(columns.created_at, columns.fp_hash)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

        async def work(connection: AsyncConnection) -> int:
            keys = (await connection.execute(old)).scalars().all()
            return (await connection.execute(delete(classifications).where(columns.fp_hash.in_(keys)))).rowcount

        return await self._database.write(work)

    async def count(self) -> int:
        """Return how many verdicts are stored."""
        statement = select(func.count()).select_from(classifications)
        return await self._database.read(lambda connection: connection.scalar(statement)) or 0


def _is_newer(statement: Insert) -> ColumnElement[bool]:
    return classifications.c.created_at < statement.excluded.created_at


def _row(classification: Classification) -> dict[str, Any]:
    verdict = classification.verdict
    return {
        "fp_hash": key_of(classification.fingerprint),
        "fingerprint": classification.fingerprint,
        "alert_name": classification.alert_name,
        "severity": verdict.severity.value,
        "confidence": verdict.confidence,
        "reasoning": verdict.reasoning,
        "recommendations": json.dumps(verdict.recommendations),
        "source": verdict.source,
        "rules": json.dumps(verdict.rules),
        "processing_time": verdict.processing_time // _MICROSECOND,
        "created_at": classification.created_at.micros,
        "metadata_json": classification.metadata_json or None,
    }


def _classification(row: Row[Any]) -> Classification:
    verdict = Verdict(
        severity=Severity(row.severity),
        confidence=row.confidence,
        reasoning=row.reasoning,
        recommendations=tuple(json.loads(row.recommendations)),
        source=row.source,
        rules=tuple(json.loads(row.rules)),
        processing_time=row.processing_time * _MICROSECOND,
    )
    return Classification(
        fingerprint=Fingerprint(row.fingerprint),
        alert_name=row.alert_name,
        verdict=verdict,
        created_at=Instant(row.created_at),
        metadata_json=row.metadata_json or b"",
    )
