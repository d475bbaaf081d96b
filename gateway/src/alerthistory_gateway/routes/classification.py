"""``/classification/…``: what the LLM thinks. Without one there is no such service, as there never was.

Verdicts of rules are shown by ``/api/dashboard/…``.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.alert.v1.alert_pb2 import Alert
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory_common.clock import Clock
from alerthistory_common.errors import NotFoundError
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.classifications import case_of, classification_document, stats_document
from alerthistory_gateway.legacy.rendering import json_answer, refusal
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import EncodableText, RefusedError, body_as, body_content
from alerthistory_gateway.wiring import WiringReader

_LOOKUPS_AT_ONCE = 8


class BulkBody(BaseModel):
    """The body of ``/classification/bulk``."""

    fingerprints: list[EncodableText] = Field(min_length=1, max_length=50)
    force_refresh: bool = False
    include_recommendations: bool = True


class ClassificationEndpoints:
    """Show and renew verdicts."""

    def __init__(
        self, services: Services, *, bodies: BodyReader, wiring: WiringReader, timeout_s: float, clock: Clock
    ) -> None:
        self._services = services
        self._bodies = bodies
        self._wiring = wiring
        self._timeout_s = timeout_s
        self._clock = clock

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject, those with a fixed path first."""
        return [
            ExactRoute("GET", "/classification/stats", self.stats),
            ExactRoute("GET", "/classification/health", self.health),
            ExactRoute("GET", "/classification/{fingerprint}", self.get),
            ExactRoute("POST", "/classification/refresh/{fingerprint}", self.refresh),
            ExactRoute("POST", "/classification/bulk", self.bulk),
        ]

    async def get(self, request: Request) -> Response:
        """Return the stored verdict of an alert."""
        await self._check_there_is_one()
        fingerprint = request.path_params["fingerprint"]
        found = await self._stored([fingerprint])
        if not found:
            return refusal(404, f"Classification not found for fingerprint: {fingerprint}")
        return json_answer(classification_document(found[fingerprint], is_cached=True))

    async def refresh(self, request: Request) -> Response:
        """Ask the LLM about an alert, again."""
        await self._check_there_is_one()
        fingerprint = request.path_params["fingerprint"]
        alert = await self._alert(fingerprint)
        if alert is None:
            return refusal(404, f"Alert not found for fingerprint: {fingerprint}")
        (found,) = await self._judged([alert])
        return json_answer(classification_document(found, is_cached=False))

    async def bulk(self, request: Request) -> Response:
        """Return the verdicts of several alerts, and judge those that have none."""
        started = time.perf_counter()
        content = body_content(request, await self._bodies.read(request))
        await self._check_there_is_one()
        wanted = body_as(content, BulkBody)
        alerts = await self._alerts(wanted.fingerprints)
        known = {} if wanted.force_refresh else await self._stored(list(alerts))
        open_ = [each for each in wanted.fingerprints if each in alerts and each not in known]
        judged = iter(await self._judged([alerts[each] for each in open_]))
        found = [
            classification_document(
                known[each] if each in known else next(judged),
                is_cached=each in known,
                has_recommendations=wanted.include_recommendations,
            )
            for each in wanted.fingerprints
            if each in alerts
        ]
        missing = [each for each in wanted.fingerprints if each not in alerts]
        return json_answer(
            {
                "results": found,
                "total_processed": len(found),
                "errors": [{"fingerprint": each, "error": "Alert not found"} for each in missing],
                "processing_time": time.perf_counter() - started,
            }
        )

    async def stats(self, _: Request) -> Response:
        """Count what was judged, and by whom."""
        await self._check_there_is_one()
        asked = classifier_pb2.GetStatsRequest()
        stats = await ask("classifier", self._services.classifier.GetStats, asked, timeout_s=self._timeout_s)
        return json_answer(stats_document(stats))

    async def health(self, _: Request) -> Response:
        """Return how the LLM and the cache are."""
        await self._check_there_is_one()
        asked = classifier_pb2.GetStatusRequest()
        status = await ask("classifier", self._services.classifier.GetStatus, asked, timeout_s=self._timeout_s)
        llm = _health(status.llm_state == classifier_pb2.LLM_STATE_AVAILABLE)
        has_cache = status.HasField("redis")
        cache = _health(not has_cache or status.redis.is_available)
        return json_answer(
            {
                "status": "healthy" if (llm, cache) == ("healthy", "healthy") else "degraded",
                "components": {"llm_client": {"status": llm}, "cache": {"status": cache, "enabled": has_cache}},
                "timestamp": self._clock.now().micros / 1_000_000,
            }
        )

    async def _check_there_is_one(self) -> None:
        """Raise RefusedError when there is no LLM; without a Retry-After, because trying again does not help."""
        if not (await self._wiring.current()).has_llm:
            raise RefusedError(refusal(503, "Classification service not available"))

    async def _stored(self, fingerprints: Sequence[str]) -> dict[str, classifier_pb2.Classification]:
        asked = classifier_pb2.BatchGetClassificationsRequest(fingerprints=fingerprints)
        found = await ask(
            "classifier", self._services.classifier.BatchGetClassifications, asked, timeout_s=self._timeout_s
        )
        return {each.fingerprint: each for each in found.classifications}

    async def _judged(self, alerts: Sequence[Alert]) -> Sequence[classifier_pb2.Classification]:
        if not alerts:
            return ()
        asked = classifier_pb2.RefreshClassificationsRequest(cases=[case_of(each) for each in alerts])
        found = await ask(
            "classifier", self._services.classifier.RefreshClassifications, asked, timeout_s=self._timeout_s
        )
        return found.classifications

    async def _alerts(self, fingerprints: Sequence[str]) -> dict[str, Alert]:
        """Return those of *fingerprints* that were ever seen."""
        turns = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

        async def find(fingerprint: str) -> Alert | None:
            async with turns:
                return await self._alert(fingerprint)

        async with asyncio.TaskGroup() as tasks:
            looking = {each: tasks.create_task(find(each)) for each in dict.fromkeys(fingerprints)}
        return {each: found for each, task in looking.items() if (found := task.result()) is not None}

    async def _alert(self, fingerprint: str) -> Alert | None:
        asked = history_pb2.GetAlertRequest(fingerprint=fingerprint)
        try:
            found = await ask("history", self._services.history.GetAlert, asked, timeout_s=self._timeout_s)
        except NotFoundError:
            return None
        return found.alert


def _health(is_well: bool) -> Any:
    return "healthy" if is_well else "degraded"
