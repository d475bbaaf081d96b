"""Builders of events and verdicts for tests: sane defaults, and only what a test is about is named."""

import json
from datetime import timedelta
from typing import Any

from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant, Severity, Verdict

FIRED_AT = Instant(1_760_000_000_000_000)


def event(
    *, labels: dict[str, Any] | None = None, annotations: dict[str, Any] | None = None, **overrides: Any
) -> AlertEvent:
    """Return an event: an alert named HighLatency fired. *labels* and *annotations* are written as JSON."""
    named = labels if labels is not None else {"alertname": overrides.get("alert_name", "HighLatency")}
    fields: dict[str, Any] = {
        "event_id": "event-1",
        "cursor": "1",
        "kind": EventKind.FIRED,
        "fingerprint": Fingerprint("00000000000000a1"),
        "alert_name": str(named.get("alertname", "unknown")),
        "starts_at": FIRED_AT,
        "ends_at": None,
        "labels_json": _json(named),
        "annotations_json": _json(annotations or {}),
        "generator_url": None,
        "occurred_at": FIRED_AT,
        "received_at": FIRED_AT,
        "sender": "webhook:a",
    }
    return AlertEvent(**(fields | overrides))


def verdict(**overrides: Any) -> Verdict:
    """Return a verdict of the rules: a warning."""
    fields: dict[str, Any] = {
        "severity": Severity.WARNING,
        "confidence": 0.5,
        "reasoning": "Nothing better is known.",
        "recommendations": ("Look at it.",),
        "rules": ("unknown",),
        "processing_time": timedelta(milliseconds=2),
    }
    return Verdict(**(fields | overrides))


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
