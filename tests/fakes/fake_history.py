"""History in memory: occurrences in the order in which they are listed, and figures."""

import grpc

from alerthistory.alert.v1.alert_pb2 import Occurrence
from alerthistory.history.v1 import history_service_pb2 as pb2
from alerthistory_common.alert_codec import timestamp
from alerthistory_common.alerts import Instant
from tests.fakes.rpc import Context, Methods, serve_unary

SERVICE = "alerthistory.history.v1.HistoryService"
_MICROS = 1_000_000


def occurrence(name: str = "HighLatency", *, start_s: float = 1_735_787_045, **fields: object) -> Occurrence:
    """Return an occurrence that began at *start_s*."""
    values = {
        "fingerprint": "a1",
        "alert_name": name,
        "is_firing": True,
        "starts_at": timestamp(Instant(round(start_s * _MICROS))),
        "labels_json": b'{"alertname":"%s"}' % name.encode(),
        "annotations_json": b"{}",
    }
    return Occurrence(**(values | fields))  # type: ignore[arg-type]


class FakeHistory:
    """Lists what it holds page by page; *error* is what calls fail with, from the call number *fails_from* on."""

    def __init__(self) -> None:
        self.occurrences: list[Occurrence] = []
        self.asked: list[pb2.ListOccurrencesRequest] = []
        self.reports: list[pb2.GetReportRequest] = []
        self.report = pb2.GetReportResponse()
        self.status = pb2.GetStatusResponse()
        self.stats = pb2.GetStatsResponse()
        self.stats_asked: list[pb2.GetStatsRequest] = []
        self.error: tuple[grpc.StatusCode, str] | None = None
        self.fails_from = 0

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on *server*."""
        methods: Methods = {
            "ListOccurrences": (pb2.ListOccurrencesRequest, self._list),
            "GetReport": (pb2.GetReportRequest, self._report),
            "GetStats": (pb2.GetStatsRequest, self._stats),
            "GetStatus": (pb2.GetStatusRequest, self._status),
        }
        serve_unary(server, SERVICE, methods)

    async def _list(self, request: pb2.ListOccurrencesRequest, context: Context) -> pb2.ListOccurrencesResponse:
        self.asked.append(request)
        if self.error is not None and len(self.asked) > self.fails_from:
            await context.abort(*self.error)
        begin = int(request.page_token or 0)
        end = begin + (min(request.page_size, 1000) or 100)
        token = str(end) if end < len(self.occurrences) else ""
        return pb2.ListOccurrencesResponse(occurrences=self.occurrences[begin:end], next_page_token=token)

    async def _report(self, request: pb2.GetReportRequest, _: Context) -> pb2.GetReportResponse:
        self.reports.append(request)
        return self.report

    async def _stats(self, request: pb2.GetStatsRequest, context: Context) -> pb2.GetStatsResponse:
        self.stats_asked.append(request)
        if self.error is not None:
            await context.abort(*self.error)
        return self.stats

    async def _status(self, _: pb2.GetStatusRequest, context: Context) -> pb2.GetStatusResponse:
        if self.error is not None:
            await context.abort(*self.error)
        return self.status
