"""``/health``, ``/healthz``, ``/readyz`` and ``/webhook/health``."""

import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory_common.clock import Clock
from alerthistory_gateway.legacy.rendering import iso_naive, json_answer, refusal
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.readiness import Readiness

PROBES = frozenset({"/health", "/healthz", "/readyz"})
_MICROS = 1_000_000
_DEPENDENCIES = ("database", "redis", "llm", "target_discovery")


class HealthEndpoints:
    """Tells probes that the process lives, and whether it can serve."""

    def __init__(self, readiness: Readiness, *, clock: Clock) -> None:
        self._readiness = readiness
        self._clock = clock
        self._started = time.monotonic()

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [
            ExactRoute("GET", "/healthz", self.alive),
            ExactRoute("GET", "/readyz", self.ready),
            ExactRoute("GET", "/health", self.alive),
        ]

    def webhook_routes(self) -> Sequence[BaseRoute]:
        """Return the routes that come earlier in the contract's order."""
        return [ExactRoute("GET", "/webhook/health", self.webhook)]

    async def alive(self, _: Request) -> Response:
        """Say that the process lives; no dependency is looked at, because a restart would not mend one."""
        return json_answer({"status": "healthy", "timestamp": self._epoch()})

    async def ready(self, _: Request) -> Response:
        """Say whether alerts can be stored and shown."""
        if not await self._readiness.is_ready():
            return refusal(503, "Service not ready")
        return json_answer(
            {
                "status": "ready",
                "uptime": time.monotonic() - self._started,
                "dependencies": dict.fromkeys(_DEPENDENCIES, True),
                "timestamp": self._epoch(),
            }
        )

    async def webhook(self, _: Request) -> Response:
        """Say where webhooks go."""
        endpoints = ["/webhook (legacy)", "/webhook/proxy (intelligent)"]
        moment = iso_naive(self._clock.now().to_datetime())
        return json_answer({"status": "healthy", "endpoints": endpoints, "timestamp": moment})

    def _epoch(self) -> float:
        return self._clock.now().micros / _MICROS
