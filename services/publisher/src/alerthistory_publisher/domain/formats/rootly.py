"""The format ``rootly``: an incident."""

import json
from typing import Any

from alerthistory_common.alerts import Instant, Severity, Verdict
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.content import Content, cut, percent, read

_SOURCE = "alert-history-llm"
_BY_VERDICT = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "major",
    Severity.INFO: "minor",
    Severity.NOISE: "low",
}
_BY_LABEL = {"critical": "critical", "info": "minor"}
_TOLD_APART = ("description", "summary")


def body(publication: Publication, *, at: Instant) -> bytes:
    """Return the body; raise ValueError or RecursionError when labels or annotations are not JSON."""
    content = read(publication)
    incident = {
        "title": _title(content),
        "description": "\n".join(_description(content)),
        "severity": _severity(content),
        "status": "started" if content.status == "firing" else "resolved",
        "source": _SOURCE,
        "alert_fingerprint": content.event.fingerprint,
        "tags": _tags(content),
        "custom_fields": _custom_fields(content),
    }
    return json.dumps({"incident": incident}).encode()


def _title(content: Content) -> str:
    title = f"[{content.event.alert_name}] Alert in {content.namespace or 'unknown'}"
    verdict = content.verdict
    if verdict is None:
        return title
    return f"{title} (LLM: {verdict.severity.value}, {percent(verdict.confidence)} confidence)"


def _description(content: Content) -> list[str]:
    lines = [
        f"**Alert:** {content.event.alert_name}",
        f"**Status:** {content.status}",
        f"**Namespace:** {content.namespace or 'unknown'}",
        f"**Started:** {content.event.starts_at.iso_utc()}",
    ]
    if content.verdict is not None:
        lines += _said(content.verdict)
    if content.labels:
        lines += ["", "**Labels:**", *(f"- {name}: {value}" for name, value in content.labels.items())]
    if content.annotations:
        told = {name: value for name, value in content.annotations.items() if name not in _TOLD_APART}
        lines += ["", "**Annotations:**", *(f"- {name}: {cut(str(value), 100)}" for name, value in told.items())]
    return lines


def _said(verdict: Verdict) -> list[str]:
    lines = [
        "",
        "**AI Classification:**",
        f"- **Severity:** {verdict.severity.value}",
        f"- **Confidence:** {percent(verdict.confidence)}",
        f"- **Reasoning:** {verdict.reasoning}",
    ]
    if verdict.recommendations:
        numbered = enumerate(verdict.recommendations[:5], 1)
        lines += ["", "**Recommendations:**", *(f"{number}. {text}" for number, text in numbered)]
    return lines


def _severity(content: Content) -> str:
    if content.verdict is not None:
        return _BY_VERDICT[content.verdict.severity]
    return _BY_LABEL.get(content.label("severity").lower(), "major")


def _tags(content: Content) -> list[str]:
    tags = ["alert-history", "automated", f"alert:{content.event.alert_name}"]
    if content.namespace:
        tags.append(f"namespace:{content.namespace}")
    if content.verdict is not None:
        tags += [f"llm-severity:{content.verdict.severity.value}", _confidence(content.verdict.confidence)]
    for name in ("service", "job", "instance"):
        if value := content.label(name):
            tags.append(f"{name}:{value}".replace(" ", "-").lower())
    return tags


def _confidence(confidence: float) -> str:
    if confidence >= 0.8:
        return "high-confidence"
    return "medium-confidence" if confidence >= 0.5 else "low-confidence"


def _custom_fields(content: Content) -> dict[str, Any]:
    verdict = content.verdict
    return {
        "alert_name": content.event.alert_name,
        "namespace": content.namespace or "unknown",
        "generator_url": content.event.generator_url or "",
        "llm_severity": None if verdict is None else verdict.severity.value,
        "llm_confidence": None if verdict is None else verdict.confidence,
    }
