"""Overrides in SQL."""

from typing import Any

from sqlalchemy import Row, delete, func, select, tuple_

from alerthistory_classifier.adapters.tables import overrides
from alerthistory_classifier.adapters.upserts import key_of, upserting
from alerthistory_classifier.ports import Override, Place
from alerthistory_common.alerts import Fingerprint, Instant, Severity
from alerthistory_common.database import Database


class SqlOverrideStore:
    """The port ``OverrideStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep_override(self, override: Override) -> None:
        """Keep it, durably, in place of the alert's earlier one."""
        row = {
            "fp_hash": key_of(override.fingerprint),
            "fingerprint": override.fingerprint,
            "alert_name": override.alert_name,
            "severity": override.severity.value,
            "author": override.author,
            "reason": override.reason,
            "created_at": override.created_at.micros,
        }
        upsert = upserting(self._database, overrides, "fp_hash")
        await self._database.write(lambda connection: connection.execute(upsert, [row]))

    async def remove_override(self, fingerprint: Fingerprint) -> bool:
        """Remove the override of an alert, durably; return whether there was one."""
        statement = delete(overrides).where(overrides.c.fp_hash == key_of(fingerprint))
        result = await self._database.write(lambda connection: connection.execute(statement))
        return result.rowcount > 0

    async def page_of_overrides(self, *, after: Place | None, limit: int) -> list[Override]:
        """Return a page of overrides, newest first."""
        columns = overrides.c
        statement = select(overrides).order_by(columns.created_at.desc(), columns.fp_hash.desc()).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(columns.created_at, columns.fp_hash) < tuple_(*after))
        result = await self._database.read(lambda connection: connection.execute(statement))
        return list(map(_override, result))

    async def all_overrides(self) -> list[Override]:
        """Return every override."""
        result = await self._database.read(lambda connection: connection.execute(select(overrides)))
        return list(map(_override, result))

    async def overrides_version(self) -> tuple[int, int]:
        """Return something that is another after every change: how many there are, and when the last was made."""
        statement = select(func.count(), func.coalesce(func.max(overrides.c.created_at), 0)).select_from(overrides)
        result = await self._database.read(lambda connection: connection.execute(statement))
        count, latest = result.one()
        return count, latest


def _override(row: Row[Any]) -> Override:
    return Override(
        fingerprint=Fingerprint(row.fingerprint),
        alert_name=row.alert_name,
        severity=Severity(row.severity),
        author=row.author,
        reason=row.reason,
        created_at=Instant(row.created_at),
    )
