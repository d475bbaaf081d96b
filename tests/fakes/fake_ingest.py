"""Ingest in memory: it keeps what it is sent, and answers as it is told."""

import asyncio
import json
from collections.abc import Callable

import grpc

from alerthistory.ingest.v1 import ingest_service_pb2 as pb2
from tests.fakes.rpc import Context, Methods, serve_unary

SERVICE = "alerthistory.ingest.v1.IngestService"


def accept(payload: pb2.Payload) -> pb2.PayloadResult:
    """Return a result that accepts every object with labels among the payload's alerts, and refuses the rest."""
    try:
        content = json.loads(payload.body)
        alerts = content.get("alerts", []) if isinstance(content, dict) else content
    except ValueError as error:
        return pb2.PayloadResult(rejection=str(error))
    result = pb2.PayloadResult()
    for index, alert in enumerate(alerts):
        if isinstance(alert, dict) and alert.get("labels"):
            is_firing = alert.get("status") != "resolved"
            result.accepted.add(alert_name=str(alert["labels"].get("alertname")), is_firing=is_firing)
        else:
            result.refused_count += 1
            result.errors.add(index=index, message="at least one label pair required")
    return result


class FakeIngest:
    """Takes payloads. While *gate* is closed, calls wait; *error* is what they fail with."""

    def __init__(self) -> None:
        self.calls: list[pb2.IngestWebhookRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.stored = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: tuple[grpc.StatusCode, str] | None = None
        self.judge: Callable[[pb2.Payload], pb2.PayloadResult] = accept
        self.processed = pb2.ProcessAlertsResponse()
        self.process_calls: list[pb2.Payload] = []

    @property
    def payloads(self) -> list[pb2.Payload]:
        """All payloads in the order of arrival."""
        return [payload for call in self.calls for payload in call.payloads]

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on *server*."""
        methods: Methods = {
            "IngestWebhook": (pb2.IngestWebhookRequest, self._ingest),
            "ProcessAlerts": (pb2.ProcessAlertsRequest, self._process),
        }
        serve_unary(server, SERVICE, methods)

    async def _ingest(self, request: pb2.IngestWebhookRequest, context: Context) -> pb2.IngestWebhookResponse:
        self.calls.append(request)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata() or ()})
        await self.gate.wait()
        if self.error is not None:
            await context.abort(*self.error)
        self.stored += len(request.payloads)
        return pb2.IngestWebhookResponse(results=[self.judge(payload) for payload in request.payloads])

    async def _process(self, request: pb2.ProcessAlertsRequest, context: Context) -> pb2.ProcessAlertsResponse:
        self.process_calls.append(request.payload)
        if self.error is not None:
            await context.abort(*self.error)
        return self.processed
