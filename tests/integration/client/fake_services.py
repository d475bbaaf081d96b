"""All services in memory, on one gRPC server that can be stopped and started again with what it holds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import grpc

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.history.v1 import quarantine_pb2
from alerthistory.history.v1 import report_service_pb2 as report_pb2
from alerthistory.ingest.v1 import ingest_service_pb2 as ingest_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory_common.errors import AlertHistoryError, DrainingError, NotFoundError
from tests.fakes.fake_classifier import FakeClassifier
from tests.fakes.fake_publisher import FakePublisher
from tests.fakes.rpc import Behaviour, Methods, abort

SERVICES = {
    "history": "alerthistory.history.v1.HistoryService",
    "reports": "alerthistory.history.v1.ReportService",
    "ingest": "alerthistory.ingest.v1.IngestService",
    "classifier": "alerthistory.classifier.v1.ClassifierService",
    "publisher": "alerthistory.publisher.v1.PublisherService",
    "targets": "alerthistory.publisher.v1.TargetService",
    "filters": "alerthistory.publisher.v1.FilterService",
}

_LARGEST_PAGE, _LARGEST_REPLAY = 2, 3

_T = TypeVar("_T")
_Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # gRPC has no class at run time that says more.


class FakeServices:
    """What the services hold, and answers from it. Pages hold two items at most.

    ``reports`` are answers by the names of RPCs; what was asked for them is ``asked``.
    """

    def __init__(self) -> None:
        self.alerts: list[alert_pb2.Alert] = []
        self.filters: list[Any] = []
        self.occurrences: list[alert_pb2.Occurrence] = []
        self.events: list[alert_pb2.AlertEvent] = []
        self.payloads: list[ingest_pb2.Payload] = []
        self.results: list[ingest_pb2.PayloadResult] = []
        self.quarantine: list[quarantine_pb2.QuarantinedPayload] = []
        self.classifier = FakeClassifier(largest_page=_LARGEST_PAGE)
        self.classifier.mode = classifier_pb2.ENRICHMENT_MODE_TRANSPARENT
        self.classifier.status.classifications = 5
        self.publisher = FakePublisher(largest_page=_LARGEST_PAGE, largest_replay=_LARGEST_REPLAY)
        self.publisher.status = publisher_pb2.GetStatusResponse(
            targets=2, enabled_targets=1, pending=4, delivered=50, dead=6
        )
        self.reports: dict[str, Any] = {}
        self.asked: list[Any] = []
        self.spool = ingest_pb2.Spool()
        self.error: AlertHistoryError | None = None
        self.tails = 0
        self._changed = asyncio.Condition()
        self._is_draining = False

    @asynccontextmanager
    async def serving(self, address: str, *services: str) -> AsyncIterator[None]:
        """Answer at *address* while the block runs, for *services* or for all; drain at its end."""
        self._is_draining = False
        server = grpc.aio.server()
        methods = self._methods()
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(full_name, methods[name])
                for name, full_name in SERVICES.items()
                if not services or name in services
            ]
        )
        server.add_insecure_port(address)
        await server.start()
        try:
            yield
        finally:
            await self._wake(draining=True)
            await server.stop(1)

    async def happen(self, *events: alert_pb2.AlertEvent) -> None:
        """Append *events*; each gets its place as cursor."""
        for event in events:
            event.cursor = f"c{len(self.events) + 1}"
            self.events.append(event)
        await self._wake(draining=self._is_draining)

    async def _wake(self, *, draining: bool) -> None:
        self._is_draining = draining
        async with self._changed:
            self._changed.notify_all()

    async def _list_alerts(self, request: history_pb2.ListAlertsRequest) -> history_pb2.ListAlertsResponse:
        wanted = request.filter
        self.filters.append(wanted)
        found = [
            alert
            for alert in self.alerts
            if (not wanted.alert_name or alert.alert_name == wanted.alert_name)
            and (not wanted.namespace or alert.namespace == wanted.namespace)
            and (not wanted.HasField("is_firing") or alert.is_firing == wanted.is_firing)
            and (not wanted.severity or alert.severity == wanted.severity)
        ]
        page, token = _page(found, request.page_size, request.page_token)
        return history_pb2.ListAlertsResponse(alerts=page, next_page_token=token)

    async def _get_alert(self, request: history_pb2.GetAlertRequest) -> history_pb2.GetAlertResponse:
        for alert in self.alerts:
            if alert.fingerprint == request.fingerprint:
                return history_pb2.GetAlertResponse(alert=alert)
        raise NotFoundError(f"no alert has the fingerprint {request.fingerprint!r}")

    async def _list_occurrences(
        self, request: history_pb2.ListOccurrencesRequest
    ) -> history_pb2.ListOccurrencesResponse:
        self.filters.append(request.filter)
        page, token = _page(self.occurrences, request.page_size, request.page_token)
        return history_pb2.ListOccurrencesResponse(occurrences=page, next_page_token=token)

    async def _list_events(self, request: history_pb2.ListEventsRequest) -> history_pb2.ListEventsResponse:
        self.filters.append(request.filter)
        found = [each for each in self.events if not request.fingerprint or each.fingerprint == request.fingerprint]
        found = found[::-1] if request.newest_first else found
        page, token = _page(found, request.page_size, request.page_token)
        return history_pb2.ListEventsResponse(events=page, next_page_token=token)

    async def _tail_events(
        self, request: history_pb2.TailEventsRequest, _: _Context
    ) -> AsyncIterator[history_pb2.TailEventsResponse]:
        self.tails += 1
        sent = int(request.cursor[1:]) if request.cursor else max(0, len(self.events) - request.backlog)
        while True:
            if self._is_draining:
                raise DrainingError("history is draining")
            if sent < len(self.events):
                yield history_pb2.TailEventsResponse(events=self.events[sent:])
                sent = len(self.events)
            async with self._changed:
                await self._changed.wait_for(lambda: self._is_draining or sent < len(self.events))  # noqa: B023

    async def _history_status(self, _: history_pb2.GetStatusRequest) -> history_pb2.GetStatusResponse:
        status = history_pb2.GetStatusResponse(
            occurrences=120,
            alerts=42,
            firing_alerts=3,
            events=300,
            pending_work=1,
            quarantined_payloads=len(self.quarantine),
            database_size_bytes=1_234_567,
            database_type="sqlite",
        )
        status.oldest_pending_age.FromSeconds(90)
        return status

    async def _ingest_webhook(self, request: ingest_pb2.IngestWebhookRequest) -> ingest_pb2.IngestWebhookResponse:
        self.payloads.extend(request.payloads)
        return ingest_pb2.IngestWebhookResponse(results=[self.results.pop(0) for _ in request.payloads])

    async def _ingest_status(self, _: ingest_pb2.GetStatusRequest) -> ingest_pb2.GetStatusResponse:
        return ingest_pb2.GetStatusResponse(in_flight=2, capacity=64, completed=7, spool=self.spool)

    async def _list_quarantine(self, request: ingest_pb2.ListQuarantineRequest) -> ingest_pb2.ListQuarantineResponse:
        page, token = _page(self.quarantine, request.page_size, request.page_token)
        return ingest_pb2.ListQuarantineResponse(payloads=page, next_page_token=token)

    async def _replay(self, request: ingest_pb2.ReplayQuarantineRequest) -> ingest_pb2.ReplayQuarantineResponse:
        known = {each.quarantine_id for each in self.quarantine}
        results = [
            ingest_pb2.ReplayResult(quarantine_id=each, result=self.results.pop(0) if each in known else None)
            for each in request.quarantine_ids
        ]
        return ingest_pb2.ReplayQuarantineResponse(results=results)

    def _report(self, name: str) -> Callable[[Any], Awaitable[Any]]:
        async def answer(request: Any) -> Any:
            self.asked.append(request)
            return self.reports[name]

        return answer

    def _methods(self) -> dict[str, dict[str, Handler]]:
        tail = grpc.unary_stream_rpc_method_handler(
            self._shielded_stream(self._tail_events),
            request_deserializer=history_pb2.TailEventsRequest.FromString,
            response_serializer=_serialized,
        )
        return {
            "history": {
                "GetAlert": self._unary(self._get_alert, history_pb2.GetAlertRequest),
                "ListAlerts": self._unary(self._list_alerts, history_pb2.ListAlertsRequest),
                "ListOccurrences": self._unary(self._list_occurrences, history_pb2.ListOccurrencesRequest),
                "ListEvents": self._unary(self._list_events, history_pb2.ListEventsRequest),
                "TailEvents": tail,
                "GetStatus": self._unary(self._history_status, history_pb2.GetStatusRequest),
            },
            "reports": {
                name: self._unary(self._report(name), getattr(report_pb2, f"{name}Request"))
                for name in ("ListTopAlerts", "ListFlappingAlerts", "ListDurations", "ListNoise", "GetActivity")
            },
            "ingest": {
                "IngestWebhook": self._unary(self._ingest_webhook, ingest_pb2.IngestWebhookRequest),
                "ListQuarantine": self._unary(self._list_quarantine, ingest_pb2.ListQuarantineRequest),
                "ReplayQuarantine": self._unary(self._replay, ingest_pb2.ReplayQuarantineRequest),
                "GetStatus": self._unary(self._ingest_status, ingest_pb2.GetStatusRequest),
            },
            "classifier": self._shared(self.classifier.methods()),
            "publisher": self._shared(self.publisher.methods()),
            "targets": self._shared(self.publisher.target_methods()),
            "filters": self._shared(self.publisher.filter_methods()),
        }

    def _shared(self, methods: Methods) -> dict[str, Handler]:
        """Return the RPCs of a fake that others use, too."""
        return {
            name: self._unary(partial(_without_context, behave), request) for name, (request, behave) in methods.items()
        }

    def _unary(self, answer: Callable[[Any], Awaitable[Any]], request: type[Any]) -> Handler:
        async def handle(message: Any, context: _Context) -> Any:
            if self.error is not None:
                await abort(context, self.error)
            try:
                return await answer(message)
            except AlertHistoryError as error:
                await abort(context, error)

        return grpc.unary_unary_rpc_method_handler(
            handle, request_deserializer=request.FromString, response_serializer=_serialized
        )

    def _shielded_stream(self, answer: Callable[[Any, _Context], AsyncIterator[Any]]) -> Any:
        async def handle(message: Any, context: _Context) -> AsyncIterator[Any]:
            try:
                async for each in answer(message, context):
                    yield each
            except AlertHistoryError as error:
                await abort(context, error)

        return handle


async def _without_context(behave: Behaviour, request: Any) -> Any:
    return await behave(request, None)


def _serialized(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    return content


def _page(items: Iterable[_T], page_size: int, token: str) -> tuple[Sequence[_T], str]:
    start, size = int(token or 0), min(page_size, _LARGEST_PAGE)
    rest = list(items)[start:]
    return rest[:size], str(start + size) if len(rest) > size else ""
