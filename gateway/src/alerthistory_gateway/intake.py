"""Webhooks on their way to ingest: while one call is in flight, what arrives becomes the next call."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from alerthistory.ingest.v1 import ingest_service_pb2
from alerthistory_common.alert_codec import timestamp
from alerthistory_common.batching import Batcher, batcher
from alerthistory_common.clock import Clock
from alerthistory_common.errors import InternalError, InvalidArgumentError, UnavailableError
from alerthistory_common.telemetry import Telemetry, current_traceparent
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.metrics import GatewayMetrics
from alerthistory_gateway.settings import GatewaySettings

PayloadResult = ingest_service_pb2.PayloadResult
_KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    payload: ingest_service_pb2.Payload
    expires_at: float


class Intake:
    """Hands payloads to ingest and gives each its own result."""

    def __init__(
        self,
        waiting: Batcher[_Waiting, PayloadResult | None],
        services: Services,
        *,
        clock: Clock,
        timeout_s: float,
    ) -> None:
        self._waiting = waiting
        self._services = services
        self._clock = clock
        self._timeout_s = timeout_s

    async def take(
        self, body: bytes, *, form: ingest_service_pb2.PayloadFormat.ValueType, sender: str
    ) -> PayloadResult:
        """Return what became of *body*, once that is durable; raise UnavailableError when it may be lost.

        The work goes on when the caller leaves: what ingest took is stored.
        """
        payload = self._payload(body, form, sender)
        expires_at = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(expires_at):
                result = await self._waiting.submit(_Waiting(payload=payload, expires_at=expires_at))
        except TimeoutError as error:
            raise UnavailableError("the ingest service does not answer; try again") from error
        if result is None:
            raise UnavailableError("the ingest service does not answer; try again")
        return result

    async def process(
        self,
        body: bytes,
        *,
        form: ingest_service_pb2.PayloadFormat.ValueType,
        sender: str,
        is_verdict_required: bool = False,
    ) -> ingest_service_pb2.ProcessAlertsResponse:
        """Return what came of *body*, once it is durable; raise UnavailableError when it may be lost."""
        request = ingest_service_pb2.ProcessAlertsRequest(
            payload=self._payload(body, form, sender), is_verdict_required=is_verdict_required
        )
        return await ask("ingest", self._services.ingest.ProcessAlerts, request, timeout_s=self._timeout_s)

    def _payload(
        self, body: bytes, form: ingest_service_pb2.PayloadFormat.ValueType, sender: str
    ) -> ingest_service_pb2.Payload:
        return ingest_service_pb2.Payload(
            body=body,
            format=form,
            received_at=timestamp(self._clock.now()),
            sender=sender,
            traceparent=current_traceparent(),
        )


class _Forwarder:
    """Makes one call of a batch."""

    def __init__(self, services: Services, telemetry: Telemetry, metrics: GatewayMetrics) -> None:
        self._services = services
        self._telemetry = telemetry
        self._metrics = metrics

    async def forward(self, batch: Sequence[_Waiting]) -> Sequence[PayloadResult | None]:
        """Return one result each; None for those whose caller has given up, which are not sent."""
        now = asyncio.get_running_loop().time()
        alive = [each for each in batch if each.expires_at > now]
        if not alive:
            return [None] * len(batch)
        self._metrics.batch_payloads.observe(len(alive))
        results = iter(await self._call([each.payload for each in alive], max(e.expires_at for e in alive) - now))
        return [next(results) if each.expires_at > now else None for each in batch]

    async def _call(self, payloads: list[ingest_service_pb2.Payload], timeout_s: float) -> Sequence[PayloadResult]:
        """Make the call in the trace of its only payload, or in one of its own that links to those of all."""
        parents = [payload.traceparent for payload in payloads]
        parent, linked = (parents[0], []) if len(parents) == 1 else ("", parents)
        with self._telemetry.span("forward webhooks", parent=parent, linked=linked):
            return await self._ask(payloads, timeout_s)

    async def _ask(self, payloads: list[ingest_service_pb2.Payload], timeout_s: float) -> Sequence[PayloadResult]:
        request = ingest_service_pb2.IngestWebhookRequest(payloads=payloads)
        try:
            answer = await ask("ingest", self._services.ingest.IngestWebhook, request, timeout_s=timeout_s)
        except InvalidArgumentError as error:
            # One payload's faults are in its result; a refused call is a defect of ours, and senders must try again.
            raise InternalError("ingest refused a batch of webhooks") from error
        if len(answer.results) != len(payloads):
            raise InternalError(f"ingest gave {len(answer.results)} results for {len(payloads)} payloads")
        return answer.results


@asynccontextmanager
async def open_intake(
    services: Services, *, settings: GatewaySettings, telemetry: Telemetry, metrics: GatewayMetrics, clock: Clock
) -> AsyncIterator[Intake]:
    """Yield the intake; leaving waits for the calls in flight."""
    forwarder = _Forwarder(services, telemetry, metrics)
    async with batcher(
        forwarder.forward,
        max_items=settings.batch_kib,
        max_in_flight=settings.batches_in_flight,
        weigh=lambda waiting: 1 + len(waiting.payload.body) // _KIB,
    ) as waiting:
        yield Intake(waiting, services, clock=clock, timeout_s=settings.webhook_timeout_s)
