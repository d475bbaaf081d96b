"""The format ``slack``: a message for an incoming webhook of Slack."""

import json
from typing import Any

from alerthistory_common.alerts import Instant, Severity, Verdict
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.content import Content, cut, percent, read

_COLORS = {
    Severity.CRITICAL: "#FF0000",
    Severity.WARNING: "#FFA500",
    Severity.INFO: "#0000FF",
    Severity.NOISE: "#808080",
}
_COLOR_WITHOUT_VERDICT = "#FFA500"


def body(publication: Publication, *, at: Instant) -> bytes:
    """Return the body; raise ValueError or RecursionError when labels or annotations are not JSON."""
    content = read(publication)
    verdict = content.verdict
    attachment = {
        "color": _COLOR_WITHOUT_VERDICT if verdict is None else _COLORS[verdict.severity],
        "title": _title(content),
        "title_link": content.event.generator_url,
        "fields": _fields(content),
        "ts": content.event.starts_at.micros // 1_000_000,
    }
    document = {
        "text": f"Alert: {content.event.alert_name}",
        "attachments": [attachment],
        "username": "Alert History Bot",
        "icon_emoji": ":warning:",
    }
    return json.dumps(document).encode()


def _title(content: Content) -> str:
    sign = "🔥" if content.status == "firing" else "✅"
    said = f" ({percent(content.verdict.confidence)} confidence)" if content.verdict is not None else ""
    place = f" in `{content.namespace}`" if content.namespace else ""
    return f"{sign} *{content.event.alert_name}*{said}{place}"


def _fields(content: Content) -> list[dict[str, Any]]:
    verdict = content.verdict
    severity = content.label("severity") or "unknown" if verdict is None else verdict.severity.value
    fields = [_field("Status", content.status.upper()), _field("Severity", severity.upper())]
    if content.namespace:
        fields.append(_field("Namespace", content.namespace))
    if verdict is not None:
        fields += _said(verdict)
    labels = ((name, content.label(name)) for name in ("instance", "job", "service"))
    return fields + [_field(name.capitalize(), f"`{value}`") for name, value in labels if value]


def _said(verdict: Verdict) -> list[dict[str, Any]]:
    fields = [_field("AI Classification", f"{verdict.severity.value} ({percent(verdict.confidence)})")]
    if verdict.reasoning:
        fields.append(_field("Reasoning", cut(verdict.reasoning, 300), is_short=False))
    if verdict.recommendations:
        lines = "\n".join(f"• {text}" for text in verdict.recommendations[:3])
        fields.append(_field("Recommendations", lines, is_short=False))
    return fields


def _field(title: str, value: str, *, is_short: bool = True) -> dict[str, Any]:
    return {"title": title, "value": value, "short": is_short}
