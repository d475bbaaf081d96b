"""The enrichment mode in SQL, and who changed it."""

from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_classifier.adapters.tables import enrichment_mode, mode_changes
from alerthistory_classifier.adapters.upserts import upserting
from alerthistory_classifier.domain.modes import Mode
from alerthistory_classifier.ports import KeptMode, ModeChange
from alerthistory_common.alerts import Instant
from alerthistory_common.database import Database

_THE_ROW = 1


class SqlModeStore:
    """The port ``ModeStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_mode(self) -> KeptMode | None:
        """Return the mode that was set, None when nobody has."""
        return await self._database.read(_find)

    async def keep_mode(self, kept: KeptMode, *, at: Instant) -> None:
        """Keep the mode, durably."""
        upsert = upserting(self._database, enrichment_mode, "id")
        await self._database.write(lambda connection: connection.execute(upsert, [_row(kept, at)]))

    async def change_mode(self, kept: KeptMode, *, at: Instant, author: str) -> None:
        """Keep the mode, and who changed it, durably."""
        upsert = upserting(self._database, enrichment_mode, "id")

        async def work(connection: AsyncConnection) -> None:
            before = await _find(connection)
            change = {
                "previous": None if before is None else before.mode.value,
                "mode": kept.mode.value,
                "changed_at": at.micros,
                "author": author,
            }
            await connection.execute(upsert, [_row(kept, at)])
            await connection.execute(insert(mode_changes), [change])

        await self._database.write(work)

    async def mode_changes(self, limit: int) -> list[ModeChange]:
        """Return who changed the mode, newest first."""
        statement = select(mode_changes).order_by(mode_changes.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(statement))
        return [
            ModeChange(
                previous=None if row.previous is None else Mode(row.previous),
                mode=Mode(row.mode),
                changed_at=Instant(row.changed_at),
                author=row.author,
            )
            for row in rows
        ]


async def _find(connection: AsyncConnection) -> KeptMode | None:
    row = (await connection.execute(select(enrichment_mode).where(enrichment_mode.c.id == _THE_ROW))).one_or_none()
    return None if row is None else KeptMode(mode=Mode(row.mode), is_shared=row.is_shared)


def _row(kept: KeptMode, at: Instant) -> dict[str, Any]:
    return {"id": _THE_ROW, "mode": kept.mode.value, "set_at": at.micros, "is_shared": kept.is_shared}
