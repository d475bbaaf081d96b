"""In-memory services on a real gRPC server: what ingest calls, with switches for trouble and a memory of calls."""

# ruff: noqa: N802  # The contracts name the methods.

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from prometheus_client import CollectorRegistry

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb
from alerthistory.classifier.v1.classifier_service_pb2_grpc import (
    ClassifierServiceServicer,
    add_ClassifierServiceServicer_to_server,
)
from alerthistory.history.v1 import history_service_pb2 as history_pb
from alerthistory.history.v1 import quarantine_pb2, work_pb2
from alerthistory.history.v1.history_service_pb2_grpc import (
    HistoryServiceServicer,
    add_HistoryServiceServicer_to_server,
)
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb
from alerthistory.publisher.v1.publisher_service_pb2_grpc import (
    PublisherServiceServicer,
    add_PublisherServiceServicer_to_server,
)
from alerthistory_common import telemetry
from alerthistory_common.component import Component
from alerthistory_common.errors import InvalidArgumentError, NotFoundError, UnavailableError
from alerthistory_common.server import serve
from alerthistory_common.settings import CommonSettings

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class StoredWork:
    """One event in the queue of the fake history."""

    work_id: int
    event: alert_pb2.AlertEvent
    attempt: int = 0
    owner: str = ""
    lease_ends: float = 0.0
    rests_until: float = 0.0

    def lease(self, owner: str, until: float) -> work_pb2.Work:
        """Hand the work out."""
        self.attempt += 1
        self.owner, self.lease_ends = owner, until
        return work_pb2.Work(work_id=self.work_id, attempt=self.attempt, event=self.event)


@dataclass
class FakeHistory(HistoryServiceServicer):
    """Keeps reports, makes one event of each change between firing and resolved, and hands them out in order."""

    lease_s: float = 30.0
    is_down: bool = False
    is_odd: bool = False
    refuse_names: frozenset[str] = frozenset()
    record_s: float = 0.0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    reports: list[alert_pb2.Report] = field(default_factory=list)
    record_calls: list[history_pb.RecordAlertsRequest] = field(default_factory=list)
    import_calls: list[history_pb.ImportOccurrencesRequest] = field(default_factory=list)
    imported: list[alert_pb2.Report] = field(default_factory=list)
    lease_sizes: list[int] = field(default_factory=list)
    verdicts: dict[int, alert_pb2.Verdict | None] = field(default_factory=dict)
    released: list[tuple[int, float]] = field(default_factory=list)
    outdated: list[int] = field(default_factory=list)
    queue: list[StoredWork] = field(default_factory=list)
    quarantine: dict[bytes, quarantine_pb2.QuarantinedPayload] = field(default_factory=dict)
    most_leased: int = 0
    _firing: dict[str, bool] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.gate.set()

    async def RecordAlerts(
        self, request: history_pb.RecordAlertsRequest, context: Context
    ) -> history_pb.RecordAlertsResponse:
        self.record_calls.append(request)
        await self.gate.wait()
        await asyncio.sleep(self.record_s)
        self._check()
        results = [self._record(report, request.store_only) for report in request.reports]
        for payload in request.quarantine:
            self._quarantine(payload)
        work = self._lease(request.lease_owner, request.lease_capacity) if request.lease_owner else []
        return history_pb.RecordAlertsResponse(results=results, work=work)

    async def ImportOccurrences(
        self, request: history_pb.ImportOccurrencesRequest, context: Context
    ) -> history_pb.ImportOccurrencesResponse:
        self.import_calls.append(request)
        self._check()
        results = [self._import(report) for report in request.reports]
        return history_pb.ImportOccurrencesResponse(results=results[1:] if self.is_odd else results)

    async def LeaseWork(self, request: history_pb.LeaseWorkRequest, context: Context) -> history_pb.LeaseWorkResponse:
        self._check()
        self.lease_sizes.append(request.max_count)
        response = history_pb.LeaseWorkResponse(work=self._lease(request.lease_owner, request.max_count))
        response.lease_duration.FromNanoseconds(int(self.lease_s * 1e9))
        if self.is_odd:
            response.lease_duration.seconds = 10**18
        return response

    async def CompleteWork(
        self, request: history_pb.CompleteWorkRequest, context: Context
    ) -> history_pb.CompleteWorkResponse:
        self._check()
        outdated = []
        for result in request.results:
            held = next((w for w in self.queue if w.work_id == result.lease.work_id), None)
            if held is None or held.attempt != result.lease.attempt:
                outdated.append(result.lease)
                self.outdated.append(result.lease.work_id)
                continue
            self.queue.remove(held)
            self.verdicts[held.work_id] = result.verdict if result.HasField("verdict") else None
        work = self._lease(request.lease_owner, request.lease_capacity)
        return history_pb.CompleteWorkResponse(outdated=outdated, work=work)

    async def ReleaseWork(
        self, request: history_pb.ReleaseWorkRequest, context: Context
    ) -> history_pb.ReleaseWorkResponse:
        self._check()
        delay = request.delay.ToTimedelta().total_seconds()
        for lease in request.leases:
            for work in self.queue:
                if (work.work_id, work.attempt) == (lease.work_id, lease.attempt):
                    work.lease_ends, work.rests_until = 0.0, self._now() + delay
                    self.released.append((work.work_id, delay))
        return history_pb.ReleaseWorkResponse()

    async def ListQuarantine(
        self, request: history_pb.ListQuarantineRequest, context: Context
    ) -> history_pb.ListQuarantineResponse:
        size, skipped = request.page_size or 50, int(request.page_token or 0)
        rows = sorted(self.quarantine.values(), key=lambda row: -row.quarantine_id)
        page = [quarantine_pb2.QuarantinedPayload() for _ in rows[skipped : skipped + size]]
        for shown, row in zip(page, rows[skipped:], strict=False):
            shown.CopyFrom(row)
            shown.ClearField("body")
        more = str(skipped + size) if len(rows) > skipped + size else ""
        return history_pb.ListQuarantineResponse(payloads=page, next_page_token=more)

    async def GetQuarantined(
        self, request: history_pb.GetQuarantinedRequest, context: Context
    ) -> history_pb.GetQuarantinedResponse:
        for row in self.quarantine.values():
            if row.quarantine_id == request.quarantine_id:
                return history_pb.GetQuarantinedResponse(payload=row)
        raise NotFoundError(f"no payload {request.quarantine_id}")

    async def DeleteQuarantined(
        self, request: history_pb.DeleteQuarantinedRequest, context: Context
    ) -> history_pb.DeleteQuarantinedResponse:
        gone = [body for body, row in self.quarantine.items() if row.quarantine_id in request.quarantine_ids]
        for body in gone:
            del self.quarantine[body]
        return history_pb.DeleteQuarantinedResponse(deleted_count=len(gone))

    def add_work(self, fingerprint: str, *, owner: str = "", lease_ends_in: float = 0.0) -> StoredWork:
        """Put one event into the queue, perhaps leased to somebody."""
        work = StoredWork(next(self._ids), _event(alert_pb2.Report(fingerprint=fingerprint, is_firing=True)))
        if owner:
            work.lease(owner, self._now() + lease_ends_in)
        self.queue.append(work)
        return work

    def _record(self, report: alert_pb2.Report, store_only: bool) -> history_pb.RecordResult:
        if report.alert_name in self.refuse_names:
            return history_pb.RecordResult(refusal="the store cannot hold it")
        self.reports.append(report)
        if self._firing.get(report.fingerprint, False) == report.is_firing:
            return history_pb.RecordResult(decision="repeated")
        self._firing[report.fingerprint] = report.is_firing
        if not store_only:
            self.queue.append(StoredWork(next(self._ids), _event(report)))
        return history_pb.RecordResult(decision="fired" if report.is_firing else "resolved")

    def _import(self, report: alert_pb2.Report) -> history_pb.ImportResult:
        if report.alert_name in self.refuse_names:
            return history_pb.ImportResult(
                outcome=history_pb.IMPORT_OUTCOME_REFUSED, refusal="the store cannot hold it"
            )
        key = (report.fingerprint, report.starts_at.ToNanoseconds())
        if key in {(known.fingerprint, known.starts_at.ToNanoseconds()) for known in self.imported}:
            return history_pb.ImportResult(outcome=history_pb.IMPORT_OUTCOME_KNOWN)
        self.imported.append(report)
        return history_pb.ImportResult(outcome=history_pb.IMPORT_OUTCOME_IMPORTED)

    def _quarantine(self, payload: quarantine_pb2.QuarantinedPayload) -> None:
        known = self.quarantine.get(payload.body)
        row = quarantine_pb2.QuarantinedPayload()
        row.CopyFrom(payload)
        row.quarantine_id = known.quarantine_id if known else next(self._ids)
        row.times_received = known.times_received + 1 if known else 1
        self.quarantine[payload.body] = row

    def _lease(self, owner: str, count: int) -> list[work_pb2.Work]:
        now, busy = self._now(), set[str]()
        leased: list[work_pb2.Work] = []
        for work in self.queue:
            if len(leased) == count:
                break
            if work.event.fingerprint not in busy and max(work.lease_ends, work.rests_until) <= now:
                leased.append(work.lease(owner, now + self.lease_s))
            busy.add(work.event.fingerprint)
        self.most_leased = max(self.most_leased, sum(work.lease_ends > now for work in self.queue))
        return leased

    def _check(self) -> None:
        if self.is_down:
            raise UnavailableError("the fake is down")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


@dataclass
class FakeClassifier(ClassifierServiceServicer):
    """Says "warning" to everything; ``is_down``, ``is_silent`` and ``gives_none`` say otherwise."""

    is_down: bool = False
    gives_none: bool = False
    gives_nonsense: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    events: list[alert_pb2.AlertEvent] = field(default_factory=list)
    traceparents: list[str] = field(default_factory=list)
    verdicts: dict[str, alert_pb2.Verdict] = field(default_factory=dict)
    refuse_names: frozenset[str] = frozenset()
    running: int = 0
    most_running: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def ClassifyAlerts(
        self, request: classifier_pb.ClassifyAlertsRequest, context: Context
    ) -> classifier_pb.ClassifyAlertsResponse:
        self.events.extend(case.event for case in request.cases)
        self.running += len(request.cases)
        self.most_running = max(self.most_running, self.running)
        self.most_at_once = max(self.most_at_once, len(request.cases))
        try:
            await self.gate.wait()
        finally:
            self.running -= len(request.cases)
        if self.is_down:
            raise UnavailableError("the fake is down")
        if unwanted := self.refuse_names & {case.event.alert_name for case in request.cases}:
            raise InvalidArgumentError(f"cannot judge {unwanted}")
        return classifier_pb.ClassifyAlertsResponse(results=[self._judge(case.event) for case in request.cases])

    def _judge(self, event: alert_pb2.AlertEvent) -> classifier_pb.ClassifyResult:
        if self.gives_none:
            return classifier_pb.ClassifyResult()
        severity = alert_pb2.SEVERITY_UNSPECIFIED if self.gives_nonsense else alert_pb2.SEVERITY_WARNING
        verdict = alert_pb2.Verdict(severity=severity, confidence=0.5, reasoning="because", source="rules")
        self.verdicts[event.fingerprint] = verdict
        return classifier_pb.ClassifyResult(verdict=verdict)

    async def BatchGetClassifications(
        self, request: classifier_pb.BatchGetClassificationsRequest, context: Context
    ) -> classifier_pb.BatchGetClassificationsResponse:
        if self.is_down:
            raise UnavailableError("the fake is down")
        return classifier_pb.BatchGetClassificationsResponse(
            classifications=[
                classifier_pb.Classification(fingerprint=each, verdict=self.verdicts[each])
                for each in request.fingerprints
                if each in self.verdicts
            ]
        )


@dataclass
class FakePublisher(PublisherServiceServicer):
    """Remembers what it was told."""

    is_down: bool = False
    refuse_names: frozenset[str] = frozenset()
    attempts: int = 0
    targets: list[str] = field(default_factory=list)
    published: list[publisher_pb.Publication] = field(default_factory=list)

    async def PublishAlerts(
        self, request: publisher_pb.PublishAlertsRequest, context: Context
    ) -> publisher_pb.PublishAlertsResponse:
        self.attempts += 1
        if self.is_down:
            raise UnavailableError("the fake is down")
        if unwanted := self.refuse_names & {each.event.alert_name for each in request.publications}:
            raise InvalidArgumentError(f"cannot publish {unwanted}")
        self.published.extend(request.publications)
        return publisher_pb.PublishAlertsResponse(
            results=[publisher_pb.PublishResult(targets=self.targets) for _ in request.publications]
        )


FakeService = FakeHistory | FakeClassifier | FakePublisher


@asynccontextmanager
async def serving(servicer: FakeService, socket: Path) -> AsyncIterator[str]:
    """Yield the gRPC target under which *servicer* answers, with the error handling and health of a real service."""

    def register(server: grpc.aio.Server) -> tuple[str, ...]:
        match servicer:
            case FakeHistory():
                add_HistoryServiceServicer_to_server(servicer, server)
                return ("alerthistory.history.v1.HistoryService",)
            case FakeClassifier():
                add_ClassifierServiceServicer_to_server(servicer, server)
            case FakePublisher():
                add_PublisherServiceServicer_to_server(servicer, server)
        return ()

    async with serve(
        [Component(name="fake", register=register)],
        address=f"unix:{socket}",
        settings=CommonSettings(drain_grace_s=0.1),
        registry=CollectorRegistry(),
        telemetry=telemetry.disabled(),
    ):
        yield f"unix:{socket}"


def _event(report: alert_pb2.Report) -> alert_pb2.AlertEvent:
    kind = alert_pb2.EVENT_KIND_FIRED if report.is_firing else alert_pb2.EVENT_KIND_RESOLVED
    return alert_pb2.AlertEvent(
        event_id=f"{report.fingerprint}-{kind}",
        kind=kind,
        fingerprint=report.fingerprint,
        alert_name=report.alert_name,
        starts_at=report.starts_at,
        labels_json=report.labels_json,
        annotations_json=report.annotations_json,
        received_at=report.received_at,
        sender=report.sender,
        traceparent=report.traceparent,
    )
