"""``/enrichment/mode``: what is done with alerts besides storing them."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.metric_families import MetricFamilies
from alerthistory_gateway.legacy.modes import mode_name, mode_value, source_name
from alerthistory_gateway.legacy.rendering import json_answer
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import read_body
from alerthistory_gateway.routes.webhook import sender_of


class ModeBody(BaseModel):
    """The body that sets the mode."""

    mode: Literal["transparent", "enriched", "transparent_with_recommendations"]


class EnrichmentEndpoint:
    """Shows and sets the mode; the classifier owns it."""

    def __init__(self, services: Services, *, bodies: BodyReader, families: MetricFamilies, timeout_s: float) -> None:
        self._services = services
        self._bodies = bodies
        self._families = families
        self._timeout_s = timeout_s

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [
            ExactRoute("GET", "/enrichment/mode", self.get),
            ExactRoute("POST", "/enrichment/mode", self.post),
        ]

    async def get(self, request: Request) -> Response:
        """Return the mode in force."""
        current = await self._current()
        self._families.mode_requests.labels(request.method, mode_name(current.mode)).inc()
        return _answer(current)

    async def post(self, request: Request) -> Response:
        """Set the mode."""
        wanted = read_body(request, await self._bodies.read(request), ModeBody)
        before = await self._current()
        asked = classifier_pb2.SetModeRequest(mode=mode_value(wanted.mode), author=sender_of(request))
        after = await ask("classifier", self._services.classifier.SetMode, asked, timeout_s=self._timeout_s)
        self._families.mode_requests.labels(request.method, mode_name(after.mode)).inc()
        if after.mode != before.mode:
            self._families.mode_switches.labels(mode_name(before.mode), mode_name(after.mode)).inc()
        return _answer(after)

    async def _current(self) -> classifier_pb2.GetModeResponse:
        asked = classifier_pb2.GetModeRequest()
        return await ask("classifier", self._services.classifier.GetMode, asked, timeout_s=self._timeout_s)


def _answer(state: classifier_pb2.GetModeResponse | classifier_pb2.SetModeResponse) -> Response:
    return json_answer({"mode": mode_name(state.mode), "source": source_name(state.source)})
