"""The history service under test: on a real database, behind a real gRPC server, by a clock that tests turn."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import URL

from alerthistory.alert.v1 import alert_pb2
from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1 import work_pb2
from alerthistory.history.v1.history_service_pb2_grpc import HistoryServiceStub
from alerthistory_common import alert_codec, migrate
from alerthistory_common.alerts import Instant, Report, Severity, Verdict
from alerthistory_common.channels import MAX_MESSAGE_BYTES
from alerthistory_common.component import Component
from alerthistory_common.database import open_database
from alerthistory_common.process import Host
from alerthistory_common.server import serve
from alerthistory_common.settings import CommonSettings
from alerthistory_common.telemetry import disabled
from alerthistory_history.adapters.partition_store import SqlPartitionStore
from alerthistory_history.adapters.retention_store import SqlRetentionStore
from alerthistory_history.adapters.rollup_store import SqlRollupStore
from alerthistory_history.app import MIGRATIONS, SCHEMA, open_history
from alerthistory_history.application.retention import Keeper
from alerthistory_history.metrics import HistoryMetrics
from alerthistory_history.settings import HistorySettings
from tests import builders

T = TypeVar("T")

TIMEOUT_S = 30.0
NOON = 1_800_000_000_000_000
"""The moment at which tests begin, in microseconds."""
SECOND = 1_000_000
_OPTIONS = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.max_send_message_length", MAX_MESSAGE_BYTES)]


class ManualClock:
    """A clock that stands still until a test turns it."""

    def __init__(self) -> None:
        self.micros = NOON

    def now(self) -> Instant:
        """Return the moment that the test chose."""
        return Instant(self.micros)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.micros += round(seconds * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One replica of the service at *address*, and a client of it."""

    address: str
    stub: HistoryServiceStub
    channel: grpc.aio.Channel
    component: Component
    clock: ManualClock
    registry: CollectorRegistry

    async def record(self, *reports: Report, **fields: Any) -> pb.RecordAlertsResponse:
        """Return the answer to one call of RecordAlerts with *reports*."""
        request = pb.RecordAlertsRequest(reports=map(alert_codec.report_message, reports), **fields)
        return await self.stub.RecordAlerts(request, timeout=TIMEOUT_S)

    async def decisions(self, *reports: Report) -> list[str]:
        """Return what *reports*, recorded in one call, meant."""
        return [result.decision for result in (await self.record(*reports)).results]

    async def lease(self, owner: str = "a", max_count: int = 0) -> list[work_pb2.Work]:
        """Return the work that *owner* gets."""
        request = pb.LeaseWorkRequest(lease_owner=owner, max_count=max_count)
        return list((await self.stub.LeaseWork(request, timeout=TIMEOUT_S)).work)

    async def complete(
        self, *work: work_pb2.Work, owner: str = "a", capacity: int = 0, severity: Severity | None = None
    ) -> pb.CompleteWorkResponse:
        """Return the answer to finishing *work*, each with the same verdict."""
        verdict = None
        if severity is not None:
            verdict = alert_codec.verdict_message(Verdict(severity=severity, confidence=1.0, reasoning="so"))
        results = [pb.WorkResult(lease=lease_of(each), verdict=verdict) for each in work]
        request = pb.CompleteWorkRequest(results=results, lease_owner=owner, lease_capacity=capacity)
        return await self.stub.CompleteWork(request, timeout=TIMEOUT_S)

    async def occurrences(self, **fields: Any) -> list[alert_pb2.Occurrence]:
        """Return one page of occurrences."""
        return list(
            (await self.stub.ListOccurrences(pb.ListOccurrencesRequest(**fields), timeout=TIMEOUT_S)).occurrences
        )

    async def alert(self, fingerprint: str) -> alert_pb2.Alert:
        """Return one alert."""
        return (await self.stub.GetAlert(pb.GetAlertRequest(fingerprint=fingerprint), timeout=TIMEOUT_S)).alert

    async def events(self, fingerprint: str = "") -> list[alert_pb2.AlertEvent]:
        """Return the events of one alert, or of all, oldest first."""
        found: list[alert_pb2.AlertEvent] = []
        request = pb.ListEventsRequest(fingerprint=fingerprint, page_size=1000)
        while True:
            answer = await self.stub.ListEvents(request, timeout=TIMEOUT_S)
            found += answer.events
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    async def kinds(self, fingerprint: str = "") -> list[str]:
        """Return what happened, in order."""
        return [alert_codec.kind(event.kind).value for event in await self.events(fingerprint)]

    async def status(self) -> pb.GetStatusResponse:
        """Return the figures."""
        return await self.stub.GetStatus(pb.GetStatusRequest(), timeout=TIMEOUT_S)

    def metric(self, sample: str) -> float:
        """Return the value of the sample that is written *sample*; 0 when there is none."""
        for line in generate_latest(self.registry).decode().splitlines():
            if line.startswith(f"{sample} "):
                return float(line.rpartition(" ")[2])
        return 0.0


def lease_of(work: work_pb2.Work) -> work_pb2.WorkLease:
    """Return the lease under which *work* was handed out."""
    return work_pb2.WorkLease(work_id=work.work_id, attempt=work.attempt)


def migrate_store(url: URL) -> None:
    """Bring the database at *url* to the newest version."""
    migrate.upgrade(url, schema=SCHEMA, scripts=MIGRATIONS)


@asynccontextmanager
async def running(url: URL, clock: ManualClock | None = None, **settings: Any) -> AsyncIterator[History]:
    """Yield a replica on the migrated database at *url*."""
    clock = clock or ManualClock()
    registry = CollectorRegistry()
    database = url.render_as_string(hide_password=False)
    retention_days = settings.pop("retention_days", None)
    own = HistorySettings(database_url=database, settle_interval_s=settings.pop("settle_interval_s", 0.05), **settings)
    with tempfile.TemporaryDirectory(prefix="ah-", dir="/tmp") as folder:
        common = CommonSettings(data_dir=Path(folder), retention_days=retention_days)
        address = f"unix:{folder}/h.sock"
        host = Host(settings=common, registry=registry, telemetry=disabled())
        async with (
            open_history(host, own, clock=clock) as component,
            serve([component], address=address, settings=common, registry=registry, telemetry=disabled()),
            grpc.aio.insecure_channel(address, options=_OPTIONS) as channel,
        ):
            yield History(
                address=address,
                stub=HistoryServiceStub(channel),
                channel=channel,
                component=component,
                clock=clock,
                registry=registry,
            )


@asynccontextmanager
async def keeping(url: URL, clock: ManualClock, *, days: int | None) -> AsyncIterator[Keeper]:
    """Yield what deletes from the database at *url* what is older than *days*, without pauses."""
    async with open_database(url, schema=SCHEMA) as database:
        partitions = SqlPartitionStore(database)
        store = SqlRetentionStore(database, partitions)
        yield Keeper(
            store,
            partitions,
            SqlRollupStore(database),
            clock,
            HistoryMetrics(CollectorRegistry()),
            days=days,
            pause_s=0,
        )


async def eventually(what: Callable[[], Awaitable[T]], *, within_s: float = 15.0) -> T:
    """Return the first truthy answer of *what*, asked again and again; fail when it takes too long."""
    async with asyncio.timeout(within_s):
        while not (answer := await what()):
            await asyncio.sleep(0.01)
    return answer


def at(seconds: float) -> Instant:
    """Return the moment *seconds* after NOON."""
    return Instant(NOON + round(seconds * SECOND))


def firing(fingerprint: str = "a", start_s: float = 0, received_s: float = 0, **fields: Any) -> Report:
    """Return a report that *fingerprint* fires since *start_s*, told at *received_s*; both are seconds after NOON."""
    named = {"fingerprint": fingerprint, "starts_at": at(start_s), "received_at": at(received_s)}
    return builders.report(**(named | fields))


def resolved(
    fingerprint: str = "a", start_s: float = 0, end_s: float = 1, received_s: float = 1, **fields: Any
) -> Report:
    """Return a report that *fingerprint* was resolved at *end_s*."""
    return firing(fingerprint, start_s, received_s, **({"is_firing": False, "ends_at": at(end_s)} | fields))
