"""HistoryService over the use cases."""
# ruff: noqa: N802  # Methods are named as gRPC names them.

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1 import history_service_pb2_grpc as pb_grpc
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock

from . import codec
from .application import events, reading
from .application.importing import Importer
from .application.patience import Patience
from .application.recording import Recorder
from .application.retention import Keeper
from .application.tailing import Tails
from .application.working import Queue
from .ports import EventStore, QuarantineStore, ReadStore

Context = grpc.aio.ServicerContext[Any, Any]

_DEFAULT_LEASED = 100
_MAX_BACKLOG = 1000
_DEFAULT_COUNTED = 10_000
_DEFAULT_HOURS = 24
_MAX_HOURS = 168
_MAX_DAYS = 36_500
_MAX_DELAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """What the servicer calls."""

    recorder: Recorder
    importer: Importer
    queue: Queue
    tails: Tails
    reads: ReadStore
    events: EventStore
    quarantine: QuarantineStore
    keeper: Keeper
    patience: Patience
    clock: Clock
    started_at: Instant


class HistoryServicer(pb_grpc.HistoryServiceServicer):
    """Answers the RPCs of HistoryService; their contract is told in the proto."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use = use_cases

    async def RecordAlerts(self, request: pb.RecordAlertsRequest, context: Context) -> pb.RecordAlertsResponse:
        """Store reports."""
        submission = codec.submission(request, now=self._use.clock.now())
        return codec.recorded_message(await self._use.recorder.record(submission))

    async def LeaseWork(self, request: pb.LeaseWorkRequest, context: Context) -> pb.LeaseWorkResponse:
        """Hand out work."""
        owner = codec.required("lease_owner", request.lease_owner)
        limit = codec.between("max_count", request.max_count or _DEFAULT_LEASED, lowest=1, highest=codec.MAX_LEASED)
        work = await self._use.queue.lease(owner, limit)
        return pb.LeaseWorkResponse(
            work=codec.work_messages(work), lease_duration=alert_codec.duration(self._use.queue.lease_duration)
        )

    async def CompleteWork(self, request: pb.CompleteWorkRequest, context: Context) -> pb.CompleteWorkResponse:
        """Take finished work."""
        owner = codec.required("lease_owner", request.lease_owner)
        verdicts = codec.verdicts(request)
        limit = min(request.lease_capacity, codec.MAX_LEASED)
        completed = await self._use.queue.complete(verdicts, owner=owner, limit=limit)
        return pb.CompleteWorkResponse(
            outdated=map(codec.lease_message, completed.outdated), work=codec.work_messages(completed.work)
        )

    async def ReleaseWork(self, request: pb.ReleaseWorkRequest, context: Context) -> pb.ReleaseWorkResponse:
        """Take leases back."""
        delay_s = codec.between("delay", request.delay.seconds, lowest=0, highest=int(_MAX_DELAY.total_seconds()))
        delay = timedelta(seconds=delay_s, microseconds=max(0, request.delay.nanos) // 1000)
        await self._use.queue.release(codec.leases(request), delay=delay)
        return pb.ReleaseWorkResponse()

    async def GetAlert(self, request: pb.GetAlertRequest, context: Context) -> pb.GetAlertResponse:
        """Return one alert."""
        fingerprint = codec.required("fingerprint", request.fingerprint)
        return pb.GetAlertResponse(alert=codec.alert_message(await reading.get_alert(self._use.reads, fingerprint)))

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Context) -> pb.ListAlertsResponse:
        """List alerts."""
        page = await reading.list_alerts(
            self._use.reads,
            codec.alert_filter(request.filter),
            self._use.patience,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListAlertsResponse(
            alerts=[codec.alert_message(record) for record, _ in page.items], next_page_token=page.next_token
        )

    async def ListOccurrences(self, request: pb.ListOccurrencesRequest, context: Context) -> pb.ListOccurrencesResponse:
        """List occurrences."""
        page = await reading.list_occurrences(
            self._use.reads,
            codec.occurrence_filter(request.filter),
            self._use.patience,
            ties=codec.tie_order(request.tie_order),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListOccurrencesResponse(
            occurrences=map(codec.occurrence_message, page.items), next_page_token=page.next_token
        )

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        """List events."""
        page = await events.list_events(
            self._use.events,
            codec.event_filter(request),
            self._use.patience,
            newest_first=request.newest_first,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListEventsResponse(events=map(alert_codec.event_message, page.items), next_page_token=page.next_token)

    async def TailEvents(self, request: pb.TailEventsRequest, context: Context) -> AsyncIterator[pb.TailEventsResponse]:
        """Stream events. The initial metadata is sent once the stream's beginning is fixed."""
        backlog = codec.between("backlog", request.backlog, lowest=0, highest=_MAX_BACKLOG)
        position = await self._use.tails.start(request.cursor, backlog=backlog)
        await context.send_initial_metadata(())
        async for batch in self._use.tails.follow(position):
            yield pb.TailEventsResponse(events=map(alert_codec.event_message, batch))

    async def GetReport(self, request: pb.GetReportRequest, context: Context) -> pb.GetReportResponse:
        """Count occurrences."""
        limit = codec.between("max_count", request.max_count or _DEFAULT_COUNTED, lowest=1, highest=codec.MAX_COUNTED)
        rows = await reading.get_report(
            self._use.reads, codec.reported(request), group_by=request.group_by, max_count=limit
        )
        return pb.GetReportResponse(
            rows=[pb.ReportRow(key=row.key, count=row.count, firing=row.firing, resolved=row.resolved) for row in rows],
            total=sum(row.count for row in rows),
        )

    async def ImportOccurrences(
        self, request: pb.ImportOccurrencesRequest, context: Context
    ) -> pb.ImportOccurrencesResponse:
        """Store the past."""
        results = await self._use.importer.import_reports(codec.past_reports(request))
        return pb.ImportOccurrencesResponse(results=map(codec.import_result_message, results))

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:
        """Count what the dashboard shows."""
        hours = codec.between("hours", request.hours or _DEFAULT_HOURS, lowest=1, highest=_MAX_HOURS)
        return codec.stats_message(await reading.get_stats(self._use.reads, hours=hours, now=self._use.clock.now()))

    async def ListQuarantine(self, request: pb.ListQuarantineRequest, context: Context) -> pb.ListQuarantineResponse:
        """List quarantined payloads."""
        page = await reading.list_quarantine(
            self._use.quarantine, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListQuarantineResponse(
            payloads=map(codec.payload_message, page.items), next_page_token=page.next_token
        )

    async def GetQuarantined(self, request: pb.GetQuarantinedRequest, context: Context) -> pb.GetQuarantinedResponse:
        """Return one quarantined payload."""
        payload = await reading.get_quarantined(self._use.quarantine, request.quarantine_id)
        return pb.GetQuarantinedResponse(payload=codec.payload_message(payload))

    async def DeleteQuarantined(
        self, request: pb.DeleteQuarantinedRequest, context: Context
    ) -> pb.DeleteQuarantinedResponse:
        """Delete quarantined payloads."""
        codec.at_most("quarantine_ids", len(request.quarantine_ids), codec.MAX_RESULTS)
        deleted = await self._use.quarantine.delete(list(request.quarantine_ids))
        return pb.DeleteQuarantinedResponse(deleted_count=deleted)

    async def PlanRetention(self, request: pb.PlanRetentionRequest, context: Context) -> pb.PlanRetentionResponse:
        """Tell what retention would delete."""
        days = codec.between("days", request.days, lowest=0, highest=_MAX_DAYS)
        return codec.plan_message(await self._use.keeper.plan(days or None))

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        """Return figures."""
        status = await self._use.reads.status(self._use.clock.now(), self._use.started_at)
        return codec.status_message(status, self._use.keeper.days)
