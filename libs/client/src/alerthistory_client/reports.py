"""The reports of history, asked by ``Client.reports``."""

from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, TypeVar

import grpc

from alerthistory.history.v1 import report_service_pb2 as pb
from alerthistory.history.v1.report_service_pb2_grpc import ReportServiceStub
from alerthistory_client import report_codec
from alerthistory_client.calls import Endpoint
from alerthistory_client.report_records import (
    ActivityBucket,
    ActivityReport,
    Durations,
    FlappingAlert,
    Noise,
    Report,
    ReportDimension,
    ReportQuery,
    ReportWithTotal,
    TopAlert,
    TopGrouping,
    TopOrder,
)
from alerthistory_common import alert_codec
from alerthistory_common.clock import SystemClock

_M = TypeVar("_M")
_R = TypeVar("_R", bound="_Response")
_T = TypeVar("_T")
_Response = pb.ListTopAlertsResponse | pb.ListFlappingAlertsResponse | pb.ListDurationsResponse | pb.ListNoiseResponse
_PAGE_SIZE = 1000


class ReportClient:
    """Asks for reports. Lists have at most *limit* rows; more pages are fetched as needed."""

    def __init__(self, channel: grpc.aio.Channel, endpoint: Endpoint) -> None:
        self._stub = ReportServiceStub(channel)
        self._at = endpoint

    async def top_alerts(
        self,
        query: ReportQuery,
        *,
        grouping: TopGrouping = TopGrouping.NAME,
        order: TopOrder = TopOrder.FIRED,
        limit: int = 20,
    ) -> Report[TopAlert]:
        """Return what fired most, by name or by single alert."""
        window, wanted = _about(query)

        async def page(size: int, token: str) -> pb.ListTopAlertsResponse:
            request = pb.ListTopAlertsRequest(
                window=window,
                filter=wanted,
                grouping=report_codec.GROUPINGS[grouping],
                order=report_codec.ORDERS[order],
                page_size=size,
                page_token=token,
            )
            return await self._at.call(self._stub.ListTopAlerts, request)

        first, rows = await _rows(page, lambda response: response.top_alerts, report_codec.top_alert, limit)
        return Report(window=report_codec.window(first.window), rows=rows)

    async def flapping_alerts(self, query: ReportQuery, *, limit: int = 20) -> Report[FlappingAlert]:
        """Return the alerts that changed at least three times between firing and not, those with most changes first."""
        window, wanted = _about(query)

        async def page(size: int, token: str) -> pb.ListFlappingAlertsResponse:
            request = pb.ListFlappingAlertsRequest(window=window, filter=wanted, page_size=size, page_token=token)
            return await self._at.call(self._stub.ListFlappingAlerts, request)

        first, rows = await _rows(page, lambda response: response.flapping_alerts, report_codec.flapping_alert, limit)
        return Report(window=report_codec.window(first.window), rows=rows)

    async def durations(
        self, query: ReportQuery, *, by: ReportDimension = ReportDimension.NAME, limit: int = 20
    ) -> ReportWithTotal[Durations]:
        """Return how long resolved episodes lasted, and how much time lay between firings of the same alert."""
        window, wanted = _about(query)

        async def page(size: int, token: str) -> pb.ListDurationsResponse:
            dimension = report_codec.DIMENSIONS[by]
            request = pb.ListDurationsRequest(
                window=window, filter=wanted, dimension=dimension, page_size=size, page_token=token
            )
            return await self._at.call(self._stub.ListDurations, request)

        first, rows = await _rows(page, lambda response: response.durations, report_codec.durations, limit)
        total = report_codec.durations(first.total)
        return ReportWithTotal(window=report_codec.window(first.window), rows=rows, total=total)

    async def noise(
        self,
        query: ReportQuery,
        *,
        by: ReportDimension = ReportDimension.NAME,
        threshold: timedelta = timedelta(minutes=5),
        limit: int = 20,
    ) -> ReportWithTotal[Noise]:
        """Return how many resolved episodes were shorter than *threshold*: 30 seconds, or minutes up to 60."""
        window, wanted = _about(query)

        async def page(size: int, token: str) -> pb.ListNoiseResponse:
            request = pb.ListNoiseRequest(
                window=window,
                filter=wanted,
                dimension=report_codec.DIMENSIONS[by],
                threshold=alert_codec.duration(threshold),
                page_size=size,
                page_token=token,
            )
            return await self._at.call(self._stub.ListNoise, request)

        first, rows = await _rows(page, lambda response: response.noise, report_codec.noise, limit)
        total = report_codec.noise(first.total)
        return ReportWithTotal(window=report_codec.window(first.window), rows=rows, total=total)

    async def activity(
        self, query: ReportQuery, *, bucket: ActivityBucket | None = None, utc_offset: timedelta = timedelta(0)
    ) -> ActivityReport:
        """Return when alerts fired. *utc_offset*, of whole hours, says where days begin."""
        window, wanted = _about(query)
        request = pb.GetActivityRequest(
            window=window,
            filter=wanted,
            bucket=pb.ACTIVITY_BUCKET_UNSPECIFIED if bucket is None else report_codec.BUCKETS[bucket],
            utc_offset=alert_codec.duration(utc_offset),
        )
        return report_codec.activity(await self._at.call(self._stub.GetActivity, request))


def _about(query: ReportQuery) -> tuple[pb.ReportWindow, pb.ReportFilter]:
    return report_codec.window_message(query, SystemClock().now()), report_codec.filter_message(query)


async def _rows(
    page: Callable[[int, str], Coroutine[Any, Any, _R]],
    items: Callable[[_R], Iterable[_M]],
    decode: Callable[[_M], _T],
    limit: int,
) -> tuple[_R, tuple[_T, ...]]:
    """Return the first page, and the rows of as many pages as *limit* rows need; *page* takes a size and a token."""
    first = response = await page(min(limit, _PAGE_SIZE), "")
    rows = [decode(item) for item in items(response)]
    while response.next_page_token and len(rows) < limit:
        response = await page(min(limit - len(rows), _PAGE_SIZE), response.next_page_token)
        rows += [decode(item) for item in items(response)]
    return first, tuple(rows[:limit])
