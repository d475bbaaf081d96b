"""The history service over gRPC."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1 import work_pb2
from alerthistory.history.v1.history_service_pb2_grpc import HistoryServiceStub
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Report
from alerthistory_common.channels import call
from alerthistory_common.errors import AlertHistoryError
from alerthistory_ingest import quarantine_codec
from alerthistory_ingest.domain.quarantine import Quarantined
from alerthistory_ingest.domain.work import Lease, Work, WorkResult
from alerthistory_ingest.ports import Completed, ImportOutcome, Leased, Outcome, QuarantinePage, Recorded

_LOG = structlog.get_logger(__name__)
_SERVICE = "alerthistory.history.v1.HistoryService"
_HEALTH_TIMEOUT_S = 1.0
# Nobody waits for an import with a webhook in hand, and its calls are large.
_IMPORT_TIMEOUT_S = 30.0


class GrpcHistory:
    """Speaks to the history service as *lease_owner*.

    Calls fail fast while the service is away: whoever waits here keeps a sender waiting.
    """

    def __init__(self, channel: grpc.aio.Channel, *, lease_owner: str, timeout_s: float) -> None:
        self._stub = HistoryServiceStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)
        self._lease_owner = lease_owner
        self._timeout_s = timeout_s

    async def record(
        self, reports: Sequence[Report], quarantine: Sequence[Quarantined], *, capacity: int, is_store_only: bool
    ) -> Recorded:
        """Store reports and quarantined payloads durably; lease at most *capacity* of the resulting events.

        With *is_store_only* the reports make events without work.
        """
        request = pb.RecordAlertsRequest(
            reports=map(alert_codec.report_message, reports),
            quarantine=map(quarantine_codec.to_message, quarantine),
            lease_owner="" if is_store_only else self._lease_owner,
            lease_capacity=capacity,
            store_only=is_store_only,
        )
        response = await call(self._stub.RecordAlerts, request, timeout_s=self._timeout_s, wait_for_ready=False)
        return Recorded(
            outcomes=[Outcome(decision=result.decision, refusal=result.refusal) for result in response.results],
            work=_works(response.work),
        )

    async def import_reports(self, reports: Sequence[Report]) -> Sequence[ImportOutcome]:
        """Store reports of the past durably, as they are; return one outcome each."""
        request = pb.ImportOccurrencesRequest(reports=map(alert_codec.report_message, reports))
        response = await call(self._stub.ImportOccurrences, request, timeout_s=_IMPORT_TIMEOUT_S, wait_for_ready=False)
        return [
            ImportOutcome(is_known=result.outcome == pb.IMPORT_OUTCOME_KNOWN, refusal=result.refusal)
            for result in response.results
        ]

    async def lease(self, max_count: int) -> Leased:
        """Lease work that nobody does, the oldest first."""
        request = pb.LeaseWorkRequest(lease_owner=self._lease_owner, max_count=max_count)
        response = await call(self._stub.LeaseWork, request, timeout_s=self._timeout_s, wait_for_ready=False)
        return Leased(work=_works(response.work), duration=response.lease_duration.ToTimedelta())

    async def complete(self, results: Sequence[WorkResult], *, capacity: int) -> Completed:
        """Hand in finished work; lease at most *capacity* of what it unblocks."""
        request = pb.CompleteWorkRequest(
            results=map(_result_message, results), lease_owner=self._lease_owner, lease_capacity=capacity
        )
        response = await call(self._stub.CompleteWork, request, timeout_s=self._timeout_s, wait_for_ready=False)
        outdated = [Lease(work_id=lease.work_id, attempt=lease.attempt) for lease in response.outdated]
        return Completed(outdated=outdated, work=_works(response.work))

    async def release(self, leases: Sequence[Lease], *, delay: timedelta) -> None:
        """Give leases back; the work rests for *delay*."""
        request = pb.ReleaseWorkRequest(leases=map(_lease_message, leases), delay=alert_codec.duration(delay))
        await call(self._stub.ReleaseWork, request, timeout_s=self._timeout_s, wait_for_ready=False)

    async def list_quarantine(self, *, page_size: int, page_token: str) -> QuarantinePage:
        """Return one page of quarantined payloads."""
        request = pb.ListQuarantineRequest(page_size=page_size, page_token=page_token)
        response = await call(self._stub.ListQuarantine, request, timeout_s=self._timeout_s, wait_for_ready=False)
        return QuarantinePage(
            payloads=[quarantine_codec.from_message(payload) for payload in response.payloads],
            next_page_token=response.next_page_token,
        )

    async def get_quarantined(self, quarantine_id: int) -> Quarantined:
        """Return one quarantined payload with its body; raise NotFoundError when there is none."""
        request = pb.GetQuarantinedRequest(quarantine_id=quarantine_id)
        response = await call(self._stub.GetQuarantined, request, timeout_s=self._timeout_s, wait_for_ready=False)
        return quarantine_codec.from_message(response.payload)

    async def delete_quarantined(self, quarantine_ids: Sequence[int]) -> None:
        """Delete quarantined payloads."""
        request = pb.DeleteQuarantinedRequest(quarantine_ids=quarantine_ids)
        await call(self._stub.DeleteQuarantined, request, timeout_s=self._timeout_s, wait_for_ready=False)

    async def is_ready(self) -> bool:
        """Whether the service says within a second that it serves."""
        request = health_pb2.HealthCheckRequest(service=_SERVICE)
        try:
            response = await call(self._health.Check, request, timeout_s=_HEALTH_TIMEOUT_S, wait_for_ready=False)
        except AlertHistoryError:
            return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


def _works(messages: Iterable[work_pb2.Work]) -> list[Work]:
    return [work for message in messages if (work := _work(message)) is not None]


def _work(message: work_pb2.Work) -> Work | None:
    """Return the work; None when its event is of a later version: its lease runs out, and a newer replica takes it."""
    try:
        event = alert_codec.event(message.event)
    except ValueError as error:
        _LOG.warning("work of an unknown kind is left to others", work_id=message.work_id, error=str(error))
        return None
    lease = Lease(work_id=message.work_id, attempt=message.attempt)
    return Work(lease=lease, event=event, history=alert_codec.history(message.history))


def _lease_message(lease: Lease) -> work_pb2.WorkLease:
    return work_pb2.WorkLease(work_id=lease.work_id, attempt=lease.attempt)


def _result_message(result: WorkResult) -> pb.WorkResult:
    verdict = None if result.verdict is None else alert_codec.verdict_message(result.verdict)
    return pb.WorkResult(lease=_lease_message(result.lease), verdict=verdict)
