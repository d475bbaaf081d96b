"""``/publishing/secrets/template``: the Kubernetes secrets in which the older service looked for its targets."""

from base64 import b64encode
from typing import Any

_COMMON = {"enabled": "true", "timeout": "30"}


def secret_templates() -> list[dict[str, Any]]:
    """Return a secret for each kind of target, with placeholders where the real secrets belong."""
    rootly = {"url": "https://api.rootly.com/v1/incidents", "token": "your-rootly-api-key", "format": "rootly"}
    pagerduty = {
        "url": "https://events.pagerduty.com/v2/enqueue",
        "routing_key": "your-pagerduty-routing-key",
        "format": "pagerduty",
    }
    slack = {"url": "https://hooks.slack.com/services/YOUR/SLACK/WEBHOOK", "format": "slack"}
    return [
        _secret("rootly-production", priority="100", data={**rootly, **_COMMON}),
        _secret("pagerduty-oncall", priority="1", data={**pagerduty, **_COMMON}),
        _secret("slack-alerts", priority="200", data={**slack, **_COMMON, "channel": "#alerts"}),
    ]


def _secret(name: str, *, priority: str, data: dict[str, str]) -> dict[str, Any]:
    labels = {
        "alert-history.io/target": "true",
        "alert-history.io/format": data["format"],
        "alert-history.io/priority": priority,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "type": "Opaque",
        "data": {key: b64encode(value.encode()).decode() for key, value in data.items()},
    }
