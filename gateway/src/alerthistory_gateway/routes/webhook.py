"""``POST /webhook``: what Alertmanager posts to a webhook receiver."""

import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.ingest.v1.ingest_service_pb2 import PAYLOAD_FORMAT_ALERTMANAGER
from alerthistory_common.clock import Clock
from alerthistory_common.crash_points import reach
from alerthistory_common.errors import UnavailableError
from alerthistory_gateway.admission import Admission
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.intake import Intake, PayloadResult
from alerthistory_gateway.legacy.metric_families import MetricFamilies
from alerthistory_gateway.legacy.rendering import json_answer, refusal
from alerthistory_gateway.legacy.routing import ExactRoute

_MICROS = 1_000_000


class WebhookEndpoint:
    """Takes webhooks."""

    def __init__(
        self, *, intake: Intake, admission: Admission, bodies: BodyReader, families: MetricFamilies, clock: Clock
    ) -> None:
        self._intake = intake
        self._admission = admission
        self._bodies = bodies
        self._families = families
        self._clock = clock

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [ExactRoute("POST", "/webhook", self.post)]

    async def post(self, request: Request) -> Response:
        """Store one webhook; 200 means that it is durable."""
        started, moment = time.perf_counter(), self._clock.now()
        with self._admission.admit() as ticket:
            body = await self._bodies.read(request, on_bytes=ticket.grow)
            reach("gateway.read")
            result = await self._take(body, sender_of(request))
            reach("gateway.stored")
        if result.rejection:
            self._families.webhook_errors.inc()
            return refusal(400, result.rejection)
        self._families.count_webhook(
            result.accepted, refused=result.refused_count, took_s=time.perf_counter() - started
        )
        answer = {"status": "success", "processed": len(result.accepted), "timestamp": moment.micros / _MICROS}
        return json_answer(answer)

    async def _take(self, body: bytes, sender: str) -> PayloadResult:
        try:
            return await self._intake.take(body, form=PAYLOAD_FORMAT_ALERTMANAGER, sender=sender)
        except UnavailableError:
            self._families.count_not_stored()
            raise


def sender_of(request: Request) -> str:
    """Return who sent the request: the peer's address, without its port, which changes with every connection."""
    return request.client.host if request.client is not None else ""
