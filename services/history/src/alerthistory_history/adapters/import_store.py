"""Imports: reports of the past, stored as they are."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Instant, Report
from alerthistory_common.database import Database
from alerthistory_history.domain.importing import ImportResult, fold_past
from alerthistory_history.domain.records import OccurrenceKey
from alerthistory_history.domain.state import Policy

from . import commit_sql
from .dialects import dialect_named


class SqlImportStore:
    """Writes the past beside what is reported live, under the same locks."""

    def __init__(self, database: Database, *, policy: Policy) -> None:
        self._database = database
        self._dialect = dialect_named(database.dialect)
        self._policy = policy

    async def import_reports(self, reports: Sequence[Report], now: Instant) -> Sequence[ImportResult]:
        """Store *reports* in one transaction; raise StoreRefusedError when one cannot be stored. Then none was."""
        return await commit_sql.write(self._database, lambda connection: self._import(connection, reports, now))

    async def _import(
        self, connection: AsyncConnection, reports: Sequence[Report], now: Instant
    ) -> Sequence[ImportResult]:
        fingerprints = {report.fingerprint for report in reports}
        alerts = await commit_sql.lock_alerts(connection, self._dialect, fingerprints)
        keys = {OccurrenceKey(report.fingerprint, report.starts_at.micros) for report in reports}
        known = await commit_sql.known_occurrences(connection, self._dialect, keys)
        folded = fold_past(reports, alerts, known, now)
        await commit_sql.put_alerts(connection, folded.alerts.values(), alerts, {}, self._policy)
        if folded.accepted:
            ids = await self._dialect.imported_ids(connection, folded.accepted)
            await commit_sql.put_occurrences(connection, folded.occurrences.values(), ids, imported=now)
        return folded.results
