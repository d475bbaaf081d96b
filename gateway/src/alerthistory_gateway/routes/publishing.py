"""``/publishing/*``: the targets, what became of the deliveries to them, and test alerts."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory.publisher.v1 import target_service_pb2 as target_pb2
from alerthistory_common.clock import Clock
from alerthistory_common.errors import FailedPreconditionError, NotFoundError
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.publishing import by_target, mode_document, success_rate, target_document, totals
from alerthistory_gateway.legacy.rendering import iso_naive, json_answer, refusal
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.secret_templates import secret_templates
from alerthistory_gateway.publishing_client import PublishingClient

_SHORTEST_TEST_S, _LONGEST_TEST_S = 1, 300
_ENDPOINTS = [
    "GET /publishing/targets",
    "POST /publishing/targets/refresh",
    "GET /publishing/mode",
    "GET /publishing/stats",
    "POST /publishing/test/{target}",
    "GET /publishing/secrets/template",
]


class TestBody(BaseModel):
    """The body that asks for a test alert."""

    test_alert: dict[str, Any] | None = None
    timeout_seconds: int = 30


class PublishingManagement:
    """Shows and tests the targets; the publisher owns them."""

    def __init__(self, services: Services, *, bodies: BodyReader, timeout_s: float, clock: Clock) -> None:
        self._publisher = PublishingClient(services, bodies=bodies, timeout_s=timeout_s)
        self._clock = clock

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [
            ExactRoute("GET", "/publishing/targets", self.targets),
            ExactRoute("POST", "/publishing/targets/refresh", self.refresh),
            ExactRoute("GET", "/publishing/mode", self.mode),
            ExactRoute("GET", "/publishing/stats", self.stats),
            ExactRoute("POST", "/publishing/test/{target_name}", self.test),
            ExactRoute("GET", "/publishing/secrets/template", self.template),
            ExactRoute("GET", "/publishing/health", self.health),
        ]

    async def targets(self, _: Request) -> Response:
        """Return the targets in the order of their configuration."""
        documents, _counts = await self._documents()
        return json_answer(documents)

    async def refresh(self, _: Request) -> Response:
        """Let the targets be read anew; wrong ones are an issue, not a failure, and what worked before stays."""
        count, success = await self._refreshed()
        message = "refreshed successfully" if success else "refresh completed with issues"
        return json_answer(
            {
                "message": f"Publishing targets {message}",
                "targets_discovered": count,
                "refresh_timestamp": self._now(),
                "success": success,
            }
        )

    async def mode(self, _: Request) -> Response:
        """Return whether alerts are published at all."""
        return json_answer(mode_document(await self._publisher.status()))

    async def stats(self, _: Request) -> Response:
        """Return the counts of all targets together, and of each."""
        documents, found = await self._documents()
        counts = totals(found)
        rate = success_rate(counts["successful_publishes"], counts["total_publishes"])
        return json_answer(
            {
                "total_targets": len(documents),
                "active_targets": sum(each["enabled"] for each in documents),
                **counts,
                "success_rate": round(rate, 3),
                "targets": documents,
                "last_updated": self._now(),
            }
        )

    async def test(self, request: Request) -> Response:
        """Send a test alert to a target and say what came of it."""
        name = request.path_params["target_name"]
        wanted = await self._publisher.body(request, TestBody, default=TestBody())
        try:
            result = await self._tested(name, wanted)
        except NotFoundError:
            return refusal(404, f"Target '{name}' not found")
        return json_answer(
            {
                "target_name": name,
                "success": result.is_delivered,
                "status_code": result.status_code or None,
                "response_time_ms": result.response_time.ToTimedelta() // timedelta(milliseconds=1),
                "error_message": result.problem or None,
                "test_timestamp": self._now(),
            }
        )

    async def template(self, _: Request) -> Response:
        """Return the secrets that the older service was configured with."""
        return json_answer(secret_templates())

    async def health(self, _: Request) -> Response:
        """Say what there is; no dependency is looked at."""
        document = {"status": "healthy", "service": "publishing-management", "endpoints": _ENDPOINTS}
        return json_answer({**document, "timestamp": self._now()})

    async def _refreshed(self) -> tuple[int, bool]:
        """Return how many targets there are after reading them anew, and whether all of them can be used."""
        try:
            found = await self._publisher.refresh()
        except FailedPreconditionError:
            return len(await self._publisher.targets()), False
        return len(found.targets), not found.problems

    async def _documents(self) -> tuple[list[dict[str, Any]], Sequence[publisher_pb2.TargetStats]]:
        targets, stats = await self._publisher.targets(), (await self._publisher.stats()).targets
        counts = by_target(stats)
        unknown = publisher_pb2.TargetStats()
        return [target_document(each, counts.get(each.name, unknown)) for each in targets], stats

    async def _tested(self, name: str, wanted: TestBody) -> target_pb2.TestTargetResponse:
        seconds = min(max(wanted.timeout_seconds, _SHORTEST_TEST_S), _LONGEST_TEST_S)
        alert = b"" if wanted.test_alert is None else json.dumps(wanted.test_alert).encode()
        asked = target_pb2.TestTargetRequest(target=name, alert_json=alert)
        asked.timeout.FromSeconds(seconds)
        method = self._publisher.services.targets.TestTarget
        return await ask("publisher", method, asked, timeout_s=seconds + self._publisher.timeout_s)

    def _now(self) -> str:
        return iso_naive(self._clock.now().to_datetime())
