"""ReportService over the reports."""
# ruff: noqa: N802  # Methods are named as gRPC names them.

from datetime import timedelta
from typing import Any

import grpc

from alerthistory.history.v1 import report_service_pb2 as pb
from alerthistory.history.v1 import report_service_pb2_grpc as pb_grpc
from alerthistory_common import alert_codec

from . import report_codec
from .application.reports import Reports

Context = grpc.aio.ServicerContext[Any, Any]


class ReportServicer(pb_grpc.ReportServiceServicer):
    """Answers the RPCs of ReportService; their contract is told in the proto."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    async def ListTopAlerts(self, request: pb.ListTopAlertsRequest, context: Context) -> pb.ListTopAlertsResponse:
        """List what fired most."""
        by_alert = request.grouping == pb.TOP_GROUPING_ALERT
        read = self._reports.top_alerts if by_alert else self._reports.top_names
        found = await read(report_codec.asked(request), report_codec.top_order(request.order))
        return pb.ListTopAlertsResponse(
            window=report_codec.window_message(found.window),
            top_alerts=map(report_codec.top_message, found.items),
            next_page_token=found.next_token,
        )

    async def ListFlappingAlerts(
        self, request: pb.ListFlappingAlertsRequest, context: Context
    ) -> pb.ListFlappingAlertsResponse:
        """List flapping alerts."""
        found = await self._reports.flapping_alerts(report_codec.asked(request))
        return pb.ListFlappingAlertsResponse(
            window=report_codec.window_message(found.window),
            flapping_alerts=map(report_codec.flapping_message, found.items),
            next_page_token=found.next_token,
        )

    async def ListDurations(self, request: pb.ListDurationsRequest, context: Context) -> pb.ListDurationsResponse:
        """List how long episodes lasted."""
        total, found = await self._reports.durations(
            report_codec.asked(request), report_codec.dimension(request.dimension)
        )
        return pb.ListDurationsResponse(
            window=report_codec.window_message(found.window),
            total=report_codec.durations_message(total),
            durations=map(report_codec.durations_message, found.items),
            next_page_token=found.next_token,
        )

    async def ListNoise(self, request: pb.ListNoiseRequest, context: Context) -> pb.ListNoiseResponse:
        """List noise."""
        threshold_ms = report_codec.threshold_ms(request)
        total, found = await self._reports.noise(
            report_codec.asked(request), report_codec.dimension(request.dimension), threshold_ms
        )
        return pb.ListNoiseResponse(
            window=report_codec.window_message(found.window),
            total=report_codec.noise_message(total),
            noise=map(report_codec.noise_message, found.items),
            next_page_token=found.next_token,
            threshold=alert_codec.duration(timedelta(milliseconds=threshold_ms)),
        )

    async def GetActivity(self, request: pb.GetActivityRequest, context: Context) -> pb.GetActivityResponse:
        """Return when alerts fired."""
        report = await self._reports.activity(
            report_codec.asked(request),
            bucket=report_codec.bucket(request),
            offset_hours=report_codec.offset_hours(request),
        )
        return report_codec.activity_message(report)
