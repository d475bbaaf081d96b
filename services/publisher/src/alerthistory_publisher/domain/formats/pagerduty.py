"""The format ``pagerduty``: an event of PagerDuty's Events API v2."""

import json
from typing import Any

from alerthistory_common.alerts import Instant, Severity, Verdict
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.content import Content, read

_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
    Severity.NOISE: "info",
}


def body(publication: Publication, *, at: Instant, routing_key: str = "") -> bytes:
    """Return the body for the integration that *routing_key* names.

    Raises ValueError or RecursionError when labels or annotations are not JSON.
    """
    content = read(publication)
    url = content.event.generator_url
    document = {
        "routing_key": routing_key,
        "event_action": "trigger" if content.status == "firing" else "resolve",
        "dedup_key": content.event.fingerprint,
        "payload": _payload(content),
        "links": [{"href": url, "text": "View in Prometheus"}] if url else [],
        "images": [],
    }
    return json.dumps(document).encode()


def _payload(content: Content) -> dict[str, Any]:
    verdict = content.verdict
    return {
        "summary": _summary(content),
        "source": content.namespace or "unknown",
        "severity": "warning" if verdict is None else _SEVERITIES[verdict.severity],
        "timestamp": content.event.starts_at.iso_utc(),
        "component": content.label("job") or "unknown",
        "group": content.label("alertname") or "unknown",
        "class": "alert",
        "custom_details": _details(content),
    }


def _summary(content: Content) -> str:
    place = f" in {content.namespace}" if content.namespace else ""
    said = f" (AI: {content.verdict.severity.value})" if content.verdict is not None else ""
    return f"{content.event.alert_name}{place}{said}"


def _details(content: Content) -> dict[str, Any]:
    details: dict[str, Any] = {
        "alert_name": content.event.alert_name,
        "namespace": content.namespace or "unknown",
        "status": content.status,
        "fingerprint": content.event.fingerprint,
        "labels": content.labels,
        "annotations": content.annotations,
    }
    if content.verdict is not None:
        details["llm_classification"] = _said(content.verdict)
    return details


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "severity": verdict.severity.value,
        "confidence": verdict.confidence,
        "reasoning": verdict.reasoning,
        "recommendations": list(verdict.recommendations[:3]),
    }
