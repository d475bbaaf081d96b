"""Imports: reports of the past, stored as they are."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Instant, Report
from alerthistory_common.database import Database
from alerthistory_history.domain.importing import FoldedPast, ImportResult, fold_past
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
        return await self._database.write(lambda connection: self._import(connection, reports, now))

    async def _import(
        self, connection: AsyncConnection, reports: Sequence[Report], now: Instant
    ) -> Sequence[ImportResult]:
        folded = await self._fold(connection, reports, now)
        await commit_sql.put_alerts(connection, folded.alerts.values(), {}, self._policy)
        await commit_sql.put_imported_occurrences(
            connection, self._dialect, folded.occurrences.values(), accepted=folded.accepted, now=now
        )
        return folded.results

    async def _fold(self, connection: AsyncConnection, reports: Sequence[Report], now: Instant) -> FoldedPast:
        fingerprints = {report.fingerprint for report in reports}
        alerts = await commit_sql.lock_alerts(connection, self._dialect, fingerprints, self._policy)
        keys = {OccurrenceKey(report.fingerprint, report.starts_at.micros) for report in reports}
        known = await commit_sql.known_occurrences(connection, self._dialect, keys)
        return fold_past(reports, alerts, known, now)
