"""``POST /webhook/``, ``/webhook/proxy`` and ``/proxy/webhook``: webhooks whose answer says what came of the alerts."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.alert.v1.alert_pb2 import Verdict
from alerthistory.ingest.v1.ingest_service_pb2 import PAYLOAD_FORMAT_ALERTMANAGER, ProcessAlertsResponse, ProcessedAlert
from alerthistory_gateway.admission import Admission
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.intake import Intake
from alerthistory_gateway.legacy.classifications import severity_name
from alerthistory_gateway.legacy.metric_families import MetricFamilies
from alerthistory_gateway.legacy.rendering import json_answer, refusal
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import RefusedError, read_body
from alerthistory_gateway.routes.webhook import sender_of
from alerthistory_gateway.wiring import WiringReader

_LARGE_BYTES = 256 * 1024
_MAX_REASONING = 100


class UniversalBody(BaseModel):
    """The body of ``/webhook/`` and ``/webhook/proxy``, in the order in which errors are told."""

    alerts: list[dict[str, Any]]
    receiver: str = "default"
    status: str = "firing"
    externalURL: str | None = None  # noqa: N815  # Alertmanager's names.
    version: str = "4"
    groupKey: str | None = None  # noqa: N815
    truncatedAlerts: int | None = 0  # noqa: N815


class ProxyBody(BaseModel):
    """The body of ``/proxy/webhook``."""

    alerts: list[dict[str, Any]]
    receiver: str = "default"
    status: str = "firing"
    version: str = "4"
    groupKey: str | None = None  # noqa: N815
    groupLabels: dict[str, str] | None = None  # noqa: N815
    commonLabels: dict[str, str] | None = None  # noqa: N815
    commonAnnotations: dict[str, str] | None = None  # noqa: N815
    externalURL: str | None = None  # noqa: N815
    truncatedAlerts: int = 0  # noqa: N815


_B = TypeVar("_B", UniversalBody, ProxyBody)


class UniversalWebhookEndpoints:
    """Take webhooks and tell what came of them."""

    def __init__(
        self,
        *,
        intake: Intake,
        admission: Admission,
        bodies: BodyReader,
        families: MetricFamilies,
        wiring: WiringReader,
    ) -> None:
        self._intake = intake
        self._admission = admission
        self._bodies = bodies
        self._families = families
        self._wiring = wiring

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [ExactRoute("POST", "/webhook/", self.universal), ExactRoute("POST", "/webhook/proxy", self.proxy)]

    def proxy_routes(self) -> Sequence[BaseRoute]:
        """Return the routes that come later in the contract's order."""
        return [ExactRoute("POST", "/proxy/webhook", self.proxy_webhook)]

    async def universal(self, request: Request) -> Response:
        """Store one webhook; with an LLM, say what it thinks of the alerts."""
        started = time.perf_counter()
        with self._admission.admit() as ticket:
            content, body = await self._read(request, UniversalBody, ticket.grow)
            wiring = await self._wiring.current()
            if wiring.has_llm:
                processed = await self._process(request, content, body, is_verdict_required=True)
                return _intelligent(content, started, _brief(content, processed.alerts))
            if content.alerts:
                result = await self._intake.take(body, form=PAYLOAD_FORMAT_ALERTMANAGER, sender=sender_of(request))
                _check(result.rejection)
                self._families.count_stored(len(result.accepted))
        if wiring.targets:
            return _intelligent(content, started, {})
        return json_answer(
            {
                "message": "Webhook processed successfully (legacy mode)",
                "processed_alerts": len(content.alerts),
                "mode": "legacy",
                "processing_time_ms": _milliseconds(started),
            }
        )

    async def proxy(self, request: Request) -> Response:
        """Store one webhook, judge and publish what changed, and say what came of it."""
        started = time.perf_counter()
        with self._admission.admit() as ticket:
            content, body = await self._read(request, UniversalBody, ticket.grow)
            processed = await self._process(request, content, body)
        return json_answer(
            {
                "message": "Intelligent proxy webhook processed successfully",
                "processed_alerts": len(processed.alerts),
                "published_alerts": _published(processed.alerts),
                "filtered_alerts": _filtered(processed.alerts),
                "classification_results": _full(content, processed.alerts) or None,
                "publishing_results": _publishing(content, processed.alerts) or None,
                "metrics_only_mode": not (await self._wiring.current()).targets,
                "processing_time_ms": _milliseconds(started),
            }
        )

    async def proxy_webhook(self, request: Request) -> Response:
        """Do the same, and say it in other words."""
        started = time.perf_counter()
        with self._admission.admit() as ticket:
            content, body = await self._read(request, ProxyBody, ticket.grow)
            processed = await self._process(request, content, body)
        targets = (await self._wiring.current()).targets
        return json_answer(
            {
                "status": "success",
                "processed_alerts": len(processed.alerts),
                "published_alerts": _published(processed.alerts),
                "filtered_alerts": _filtered(processed.alerts),
                "active_targets": targets,
                "metrics_only_mode": not targets,
                "processing_time_seconds": time.perf_counter() - started,
                "classification_results": _full(content, processed.alerts),
                "publishing_results": _publishing(content, processed.alerts),
            }
        )

    async def _read(self, request: Request, model: type[_B], on_bytes: Any) -> tuple[_B, bytes]:
        """Return the body as *model*, and as the bytes that ingest reads. Large ones are parsed beside the loop."""
        body = await self._bodies.read(request, on_bytes=on_bytes)
        if len(body) > _LARGE_BYTES:
            return await asyncio.to_thread(_parsed, request, body, model)
        return _parsed(request, body, model)

    async def _process(
        self, request: Request, content: UniversalBody | ProxyBody, body: bytes, *, is_verdict_required: bool = False
    ) -> ProcessAlertsResponse:
        if not content.alerts:
            return ProcessAlertsResponse()
        processed = await self._intake.process(
            body,
            form=PAYLOAD_FORMAT_ALERTMANAGER,
            sender=sender_of(request),
            is_verdict_required=is_verdict_required,
        )
        _check(processed.result.rejection)
        self._families.count_stored(len(processed.alerts))
        return processed


def _parsed(request: Request, body: bytes, model: type[_B]) -> tuple[_B, bytes]:
    content = read_body(request, body, model)
    encoding = json.detect_encoding(body)  # These endpoints always took UTF-16 too; ingest reads UTF-8.
    return content, body if encoding == "utf-8" else body.decode(encoding).encode()


def _check(rejection: str) -> None:
    if rejection:
        raise RefusedError(refusal(400, rejection))


def _intelligent(content: UniversalBody, started: float, results: Mapping[str, Any]) -> Response:
    return json_answer(
        {
            "message": "Webhook processed successfully (intelligent mode)",
            "processed_alerts": len(content.alerts),
            "published_alerts": 0,
            "filtered_alerts": 0,
            "classification_results": results,
            "mode": "intelligent",
            "processing_time_ms": _milliseconds(started),
        }
    )


def _milliseconds(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)


def _name(content: UniversalBody | ProxyBody, alert: ProcessedAlert) -> str:
    """Return under which name results are told: the fingerprint as sent, else the position."""
    alerts = content.alerts
    given = alerts[alert.index].get("fingerprint") if alert.index < len(alerts) else None
    return given if isinstance(given, str) and given else f"unknown-{alert.index + 1}"


def _brief(content: UniversalBody, alerts: Iterable[ProcessedAlert]) -> dict[str, Any]:
    return {_name(content, alert): _judged(alert.verdict) for alert in alerts if alert.HasField("verdict")}


def _judged(verdict: Verdict) -> dict[str, Any]:
    reasoning = verdict.reasoning
    cut = reasoning[:_MAX_REASONING] + "..." if len(reasoning) > _MAX_REASONING else reasoning
    return {"severity": severity_name(verdict.severity), "confidence": verdict.confidence, "reasoning": cut}


def _full(content: UniversalBody | ProxyBody, alerts: Iterable[ProcessedAlert]) -> dict[str, Any]:
    return {
        _name(content, alert): {
            "severity": severity_name(alert.verdict.severity),
            "confidence": alert.verdict.confidence,
            "reasoning": alert.verdict.reasoning,
            "recommendations": list(alert.verdict.recommendations),
        }
        for alert in alerts
        if alert.HasField("verdict")
    }


def _publishing(content: UniversalBody | ProxyBody, alerts: Iterable[ProcessedAlert]) -> dict[str, Any]:
    """Return how many deliveries were ordered; an order is durable, so it counts as a success."""
    return {
        _name(content, alert): {"targets": len(alert.targets), "successful": len(alert.targets), "failed": 0}
        for alert in alerts
        if alert.is_processed
    }


def _published(alerts: Iterable[ProcessedAlert]) -> int:
    return sum(bool(alert.targets) for alert in alerts)


def _filtered(alerts: Iterable[ProcessedAlert]) -> int:
    return sum(alert.is_processed and not alert.targets for alert in alerts)
