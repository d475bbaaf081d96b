"""The composition root of the history service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import grpc
import structlog

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1 import history_service_pb2_grpc as pb_grpc
from alerthistory.history.v1 import report_service_pb2 as report_pb
from alerthistory.history.v1 import report_service_pb2_grpc as report_pb_grpc
from alerthistory_common.batching import batcher
from alerthistory_common.clock import Clock, SystemClock
from alerthistory_common.component import Component
from alerthistory_common.database import Database, database_url, open_database
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.postgresql import Pool
from alerthistory_common.process import Host
from alerthistory_common.redis import open_redis
from alerthistory_common.schema_version import current_schema, require_current
from alerthistory_common.settings import CommonSettings

from .adapters import wake_ups
from .adapters.event_store import SqlEventStore
from .adapters.import_store import SqlImportStore
from .adapters.older_service import holds_older_service
from .adapters.partition_store import SqlPartitionStore
from .adapters.quarantine_store import Limits, SqlQuarantineStore
from .adapters.read_store import SqlReadStore
from .adapters.record_store import Later, SqlRecordStore
from .adapters.report_store import SqlReportStore
from .adapters.retention_store import SqlRetentionStore
from .adapters.rollup_store import SqlRollupStore
from .adapters.work_store import SqlWorkStore
from .application.counting import EventCounter, Progress
from .application.importing import Importer
from .application.patience import Patience
from .application.pulse import Pulse
from .application.recording import Committer, Recorder, weight
from .application.reports import Reports
from .application.retention import Keeper
from .application.settling import Settler
from .application.tailing import Tails
from .application.working import Queue
from .domain.state import Policy
from .metrics import HistoryMetrics
from .report_servicer import ReportServicer
from .servicer import HistoryServicer, UseCases
from .settings import HistorySettings

SCHEMA = "history"
MIGRATIONS = Path(__file__).parent / "migrations"

_SQLITE_BLOCK = 1000
# Reports can wait, recording cannot.
_COUNTING_SHARE = 0.25
_LOG = structlog.get_logger(__name__)


@asynccontextmanager
async def open_history(
    host: Host, settings: HistorySettings, *, clock: Clock | None = None
) -> AsyncIterator[Component]:
    """Yield the history service, opened and wired; tests bring their own *clock*."""
    url = database_url(host.settings, settings.database_url, SCHEMA)
    async with (
        open_database(url, schema=SCHEMA, pool=Pool.of(host.settings)) as database,
        current_schema(database, scripts=MIGRATIONS, program="alerthistory-history"),
        open_redis(host.settings.redis_url, name=SCHEMA, registry=host.registry) as redis,
    ):
        await _point_at_older_service(database)
        async with asyncio.TaskGroup() as background:
            parts = _Parts(database, settings, HistoryMetrics(host.registry), clock or SystemClock(), background)
            keeper = parts.keeper(host.settings.retention_days)
            # Nothing fails without partitions, but while rows move into them, readers wait.
            await keeper.try_to_prepare()
            background.create_task(parts.settler.run())
            background.create_task(keeper.run())
            background.create_task(parts.counter.run())
            try:
                async with wake_ups.shared(parts.pulse, redis), _recorder(parts, settings) as recorder:
                    yield _component(parts, recorder, keeper)
            finally:
                parts.tails.drain()
                await parts.settler.stop()
                await keeper.stop()
                await parts.counter.stop()


async def _point_at_older_service(database: Database) -> None:
    with suppress(StoreUnavailableError):
        if await holds_older_service(database):
            _LOG.warning("this database holds the history of the older service: bring it over with `ahctl import URL`")


async def rebuild_rollups(common: CommonSettings, settings: HistorySettings) -> None:
    """Count the whole log anew. The service may run meanwhile; it refuses reports until the counts are there again.

    A run that breaks off has lost nothing: the service, or another run, goes on where it stood.
    """
    url = database_url(common, settings.database_url, SCHEMA)
    async with open_database(url, schema=SCHEMA) as database:
        await require_current(database, scripts=MIGRATIONS, program="alerthistory-history")
        store, progress = SqlRollupStore(database), Progress()
        await store.reset()
        counter = EventCounter(
            store, SystemClock(), progress, block=_block(database, settings), interval_s=settings.rollup_interval_s
        )
        await counter.count_all()
        _LOG.info("the log is counted", events=progress.events)


class _Parts:
    """The stores over one database, and the use cases over them."""

    def __init__(
        self,
        database: Database,
        settings: HistorySettings,
        metrics: HistoryMetrics,
        clock: Clock,
        background: asyncio.TaskGroup,
    ) -> None:
        lease = timedelta(seconds=settings.lease_s)
        self.database, self.metrics, self.clock = database, metrics, clock
        self.started_at = clock.now()
        self.pulse = Pulse()
        self.patience = Patience(timedelta(seconds=settings.query_timeout_s))
        self.events = SqlEventStore(database)
        self.records = SqlRecordStore(
            database,
            policy=_policy(settings),
            lease_duration=lease,
            quarantine_limits=Limits(max_rows=settings.quarantine_max_rows, max_bytes=settings.quarantine_max_bytes),
            later=_split_commits(background) if settings.test_split_commit else None,
        )
        self.importer = Importer(SqlImportStore(database, policy=_policy(settings)), clock, metrics)
        work = SqlWorkStore(database, lease_duration=lease)
        self.queue = Queue(work, clock, lease_duration=lease)
        self.tails = Tails(self.events, self.pulse)
        self.rollups = SqlRollupStore(database)
        self.counter = EventCounter(
            self.rollups,
            self.clock,
            metrics,
            block=_block(database, settings),
            interval_s=settings.rollup_interval_s,
            share=_COUNTING_SHARE,
        )
        self.settler = Settler(self.records, work, clock, metrics, self.pulse, interval_s=settings.settle_interval_s)

    def keeper(self, days: int | None) -> Keeper:
        """Return what keeps the store in shape, and what is older than *days* out of it."""
        partitions = SqlPartitionStore(self.database)
        store = SqlRetentionStore(self.database, partitions)
        return Keeper(store, partitions, self.rollups, self.clock, self.metrics, days=days)


@asynccontextmanager
async def _recorder(parts: _Parts, settings: HistorySettings) -> AsyncIterator[Recorder]:
    committer = Committer(parts.records, parts.clock, parts.metrics, parts.pulse)
    in_flight = settings.commits_in_flight if parts.database.dialect == "postgresql" else 1
    async with batcher(
        committer.commit, max_items=settings.commit_max_reports, max_in_flight=in_flight, weigh=weight
    ) as batches:
        yield Recorder(batches, parts.metrics)


def _component(parts: _Parts, recorder: Recorder, keeper: Keeper) -> Component:
    servicer = HistoryServicer(
        UseCases(
            recorder=recorder,
            importer=parts.importer,
            queue=parts.queue,
            tails=parts.tails,
            reads=SqlReadStore(parts.database),
            events=parts.events,
            quarantine=SqlQuarantineStore(parts.database),
            keeper=keeper,
            patience=parts.patience,
            clock=parts.clock,
            started_at=parts.started_at,
        )
    )

    reports = ReportServicer(Reports(SqlReportStore(parts.database), parts.clock))

    def register(server: grpc.aio.Server) -> tuple[str, ...]:
        pb_grpc.add_HistoryServiceServicer_to_server(servicer, server)
        report_pb_grpc.add_ReportServiceServicer_to_server(reports, server)
        return (
            pb.DESCRIPTOR.services_by_name["HistoryService"].full_name,
            report_pb.DESCRIPTOR.services_by_name["ReportService"].full_name,
        )

    async def drain() -> None:
        parts.tails.drain()
        await parts.settler.stop()
        await keeper.stop()
        await parts.counter.stop()
        await recorder.idle()

    return Component(name="history", register=register, is_ready=parts.database.is_available, drain=drain)


def _block(database: Database, settings: HistorySettings) -> int:
    if database.dialect == "postgresql":
        return settings.rollup_block_events
    # SQLite has one writer, and commits of reports wait for it.
    return min(settings.rollup_block_events, _SQLITE_BLOCK)


def _policy(settings: HistorySettings) -> Policy:
    return Policy(
        hold_window=timedelta(seconds=settings.hold_window_s),
        lease_grace=timedelta(seconds=settings.lease_grace_s),
        stale_after=timedelta(seconds=settings.stale_after_s),
    )


def _split_commits(background: asyncio.TaskGroup) -> Later:
    _LOG.warning("commits are split for a test: acknowledged alerts can get lost")
    return lambda second_half: background.create_task(second_half())
