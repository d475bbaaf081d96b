"""Builders of the domain's values for tests: sane defaults, and only what a test is about is named."""

from typing import Any

from alerthistory_common.alerts import Fingerprint, Instant, Report


def report(**overrides: Any) -> Report:
    """Return a report of one webhook sender: an alert that fires since 100, told at 110 (in microseconds)."""
    fields: dict[str, Any] = {
        "fingerprint": Fingerprint("00000000000000a1"),
        "alert_name": "HighLatency",
        "is_firing": True,
        "starts_at": Instant(100),
        "ends_at": None,
        "labels_json": b'{"alertname":"HighLatency"}',
        "annotations_json": b"{}",
        "generator_url": None,
        "received_at": Instant(110),
        "sender": "webhook:a",
    }
    return Report(**(fields | overrides))
