"""``/classification/…``: what the classification service thinks. Without an LLM there is none, as there never was."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.legacy.rendering import refusal
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import read_json


class ClassificationEndpoints:
    """Say that there is no classification service. Verdicts of rules are shown by ``/api/dashboard/…``."""

    def __init__(self, *, bodies: BodyReader) -> None:
        self._bodies = bodies

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject, those with a fixed path first."""
        return [
            ExactRoute("GET", "/classification/stats", self.absent),
            ExactRoute("GET", "/classification/health", self.absent),
            ExactRoute("GET", "/classification/{fingerprint}", self.absent),
            ExactRoute("POST", "/classification/refresh/{fingerprint}", self.absent),
            ExactRoute("POST", "/classification/bulk", self.bulk),
        ]

    async def bulk(self, request: Request) -> Response:
        """Refuse a body that is not JSON first."""
        read_json(request, await self._bodies.read(request))
        return await self.absent(request)

    async def absent(self, _: Request) -> Response:
        """Say so; without a Retry-After, because trying again does not help."""
        return refusal(503, "Classification service not available")
