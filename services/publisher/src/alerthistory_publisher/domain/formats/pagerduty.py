"""The format ``pagerduty``: an event of PagerDuty's Events API v2, within its limits."""

from typing import Any

from alerthistory_common.alerts import Severity, Verdict
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.content import Content, Letter, encode
from alerthistory_publisher.domain.formats.texts import cut, one_line, web_link
from alerthistory_publisher.domain.targets import Target

MAX_SUMMARY_LENGTH = 1024
MAX_BYTES = 512_000
_MAX_WORD_LENGTH = 1024
_MAX_TEXT_LENGTH = 5000
_NOTE = "The labels and annotations are too long for PagerDuty; look at the alert itself."
_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
    Severity.NOISE: "info",
}


def write(content: Content, *, claim: Claim, target: Target) -> Letter:
    """Return the letter for the integration that the target's routing key names.

    An event that is too long keeps what opens the incident, and loses its details but the verdict.
    """
    content = content.cleaned()
    body = encode(_event(content, target.routing_key, _details(content)))
    if len(body) > MAX_BYTES:
        body = encode(_event(content, target.routing_key, _short_details(content)))
    return Letter(body=body)


def _event(content: Content, routing_key: str, details: dict[str, Any]) -> dict[str, Any]:
    url = web_link(content.event.generator_url)
    return {
        "routing_key": routing_key,
        "event_action": "trigger" if content.is_firing else "resolve",
        "dedup_key": content.key,
        "payload": _payload(content, details),
        "links": [{"href": url, "text": "View in Prometheus"}] if url else [],
        "images": [],
    }


def _payload(content: Content, details: dict[str, Any]) -> dict[str, Any]:
    verdict = content.verdict
    return {
        "summary": cut(one_line(content.title or _summary(content)), MAX_SUMMARY_LENGTH),
        "source": _word(content.namespace),
        "severity": "warning" if verdict is None else _SEVERITIES[verdict.severity],
        "timestamp": content.event.starts_at.iso_utc(),
        "component": _word(content.label("job")),
        "group": _word(content.label("alertname")),
        "class": "alert",
        "custom_details": details,
    }


def _summary(content: Content) -> str:
    place = f" in {content.namespace}" if content.namespace else ""
    said = f" (AI: {content.verdict.severity.value})" if content.verdict is not None else ""
    # The alert's name gives way, so that place and verdict are still there.
    name = cut(content.event.alert_name, max(3, MAX_SUMMARY_LENGTH - len(place) - len(said)))
    return f"{name}{place}{said}"


def _word(text: str) -> str:
    return cut(one_line(text), _MAX_WORD_LENGTH) or "unknown"


def _details(content: Content) -> dict[str, Any]:
    details: dict[str, Any] = {
        "alert_name": content.event.alert_name,
        "namespace": content.namespace or "unknown",
        "status": content.status,
        "fingerprint": content.event.fingerprint,
        "labels": content.labels,
        "annotations": content.annotations,
    }
    if content.description:
        details["description"] = content.description
    if content.verdict is not None:
        details["llm_classification"] = _said(content.verdict)
    return details


def _short_details(content: Content) -> dict[str, Any]:
    details: dict[str, Any] = {"note": _NOTE, "alert_name": _word(content.event.alert_name), "status": content.status}
    if content.description:
        details["description"] = cut(content.description, _MAX_TEXT_LENGTH)
    if content.verdict is not None:
        said = _said(content.verdict)
        said["reasoning"] = cut(said["reasoning"], _MAX_TEXT_LENGTH)
        said["recommendations"] = [cut(text, _MAX_WORD_LENGTH) for text in said["recommendations"]]
        details["llm_classification"] = said
    return details


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "severity": verdict.severity.value,
        "confidence": verdict.confidence,
        "reasoning": verdict.reasoning,
        "recommendations": list(verdict.recommendations[:3]),
    }
