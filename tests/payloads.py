"""Webhook bodies, as Alertmanager would send them."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_CAPTURED = Path(__file__).parent / "fixtures/alertmanager-0.25/webhook_v4_real.jsonl"
ZERO_TIME = "0001-01-01T00:00:00Z"


def rfc3339(moment: datetime) -> str:
    """Return *moment* as Go writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ago(**duration: float) -> str:
    """Return the time that was so long ago."""
    return rfc3339(datetime.now(UTC) - timedelta(**duration))


def alert(
    name: str, *, fingerprint: str | None = None, ends_at: str = "", starts_at: str = "", **labels: str
) -> dict[str, Any]:
    """Return one alert of a webhook; firing unless it has an end."""
    return {
        "status": "resolved" if ends_at else "firing",
        "labels": {"alertname": name, "severity": "warning", **labels},
        "annotations": {"summary": f"{name} is up to something"},
        "startsAt": starts_at or ago(minutes=1),
        "endsAt": ends_at or ZERO_TIME,
        "generatorURL": "http://prometheus.example:9090/graph",
        "fingerprint": fingerprint or name,
    }


def webhook(
    alerts: Iterable[Mapping[str, Any]], *, external_url: str = "http://alertmanager.example:9093"
) -> dict[str, Any]:
    """Return the body of one webhook."""
    listed = list(alerts)
    return {
        "receiver": "alert-history",
        "status": "firing" if any(each["status"] == "firing" for each in listed) else "resolved",
        "alerts": listed,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": external_url,
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
    }


def captured_webhooks() -> list[dict[str, Any]]:
    """Return the bodies that a real Alertmanager posted, in their order: ten alerts fire, two are resolved."""
    requests = map(json.loads, _CAPTURED.read_text().splitlines())
    return [json.loads(request["raw_body"]) for request in requests]
