"""Reports under test: the stores over one real database, by a clock that tests turn, without anything in between."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import URL, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import EventKind, Instant, Report
from alerthistory_common.database import Database, open_database
from alerthistory_common.postgresql import Pool
from alerthistory_history.adapters.quarantine_store import Limits
from alerthistory_history.adapters.record_store import SqlRecordStore
from alerthistory_history.adapters.report_store import SqlReportStore
from alerthistory_history.adapters.rollup_store import SqlRollupStore
from alerthistory_history.adapters.tables import alerts, events, occurrences, work
from alerthistory_history.app import SCHEMA
from alerthistory_history.application.counting import EventCounter
from alerthistory_history.application.reports import Reports
from alerthistory_history.domain.records import Submission
from alerthistory_history.domain.state import Policy
from alerthistory_history.ports import RollupStore
from tests import builders
from tests.integration.history.harness import NOON, SECOND, ManualClock
from tests.integration.history.reports_model import Event


class Tally:
    """Remembers what a counter says of itself."""

    def __init__(self) -> None:
        self.events = 0
        self.behind_s = 0.0

    def counted(self, events: int, seconds: float) -> None:
        """Add events."""
        self.events += events

    def behind(self, seconds: float) -> None:
        """Remember the lag."""
        self.behind_s = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A store without background tasks: what happens is what a test does."""

    database: Database
    clock: ManualClock
    records: SqlRecordStore
    rollups: SqlRollupStore
    reports: Reports
    tally: Tally

    async def record(self, *reports: Report) -> None:
        """Commit *reports* now."""
        await self.records.record([Submission(reports=reports)], self.clock.now())

    async def settle(self) -> None:
        """Let time pass for all alerts."""
        await self.records.settle(self.clock.now(), limit=1000)

    def counter(self, *, block: int = 1000, store: RollupStore | None = None) -> EventCounter:
        """Return what counts the log."""
        return EventCounter(store or self.rollups, self.clock, self.tally, block=block, interval_s=0.01)

    async def log(self) -> list[Event]:
        """Return all events with the content of their alerts, in their order."""
        query = (
            select(
                alerts.c.fingerprint,
                alerts.c.alert_name,
                alerts.c.namespace,
                alerts.c.severity_label,
                events.c.kind,
                events.c.occurred_us,
                events.c.starts_us,
                events.c.ends_us,
            )
            .join(alerts, alerts.c.fp_hash == events.c.fp_hash)
            .order_by(events.c.txid, events.c.seq)
        )
        found = await self.database.read(lambda connection: connection.execute(query))
        return [Event(*row[:4], EventKind(row.kind), *row[5:]) for row in found]

    async def clear(self) -> None:
        """Forget everything."""
        self.clock.micros = NOON
        await self.rollups.reset()

        async def forget(connection: AsyncConnection) -> None:
            for table in (work, events, occurrences, alerts):
                await connection.execute(delete(table))

        await self.database.write(forget)


@asynccontextmanager
async def bench(url: URL) -> AsyncIterator[Bench]:
    """Yield the stores over the migrated database at *url*."""
    clock = ManualClock()
    async with open_database(url, schema=SCHEMA, pool=Pool(max_size=10)) as database:
        yield Bench(
            database=database,
            clock=clock,
            records=SqlRecordStore(
                database,
                policy=Policy(),
                lease_duration=timedelta(seconds=30),
                quarantine_limits=Limits(max_rows=10, max_bytes=1000),
            ),
            rollups=SqlRollupStore(database),
            reports=Reports(SqlReportStore(database), clock),
            tally=Tally(),
        )


def episodes(clock: ManualClock, fingerprint: str, count: int, *, lasts_s: float = 60) -> Sequence[Report]:
    """Return reports of *count* episodes of one alert that follow one another; they end now."""
    found: list[Report] = []
    for number in range(count):
        start = clock.micros - round((count - number) * 2 * lasts_s * SECOND)
        found += _episode(fingerprint, start, start + round(lasts_s * SECOND))
    return found


def _episode(fingerprint: str, start: int, end: int) -> tuple[Report, Report]:
    named = {"fingerprint": fingerprint, "starts_at": Instant(start)}
    return (
        builders.report(**named, received_at=Instant(start)),
        builders.report(**named, received_at=Instant(end), is_firing=False, ends_at=Instant(end)),
    )
