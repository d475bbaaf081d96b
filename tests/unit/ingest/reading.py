"""Reading in tests: one place for what every payload needs."""

import json
from datetime import timedelta
from typing import Any

from alerthistory_common.alerts import Instant, Report
from alerthistory_ingest.domain.payload import Payload, PayloadFormat, ReadPayload
from alerthistory_ingest.domain.reading import read_payload

NOW = Instant(1_767_323_045_000_007, 890)
"""2026-01-02T03:04:05.000007890Z."""


def read(body: bytes | object, *, payload_format: PayloadFormat = PayloadFormat.ALERTMANAGER) -> ReadPayload:
    """Return what is read from *body*, which is written as JSON unless it is bytes."""
    payload = Payload(
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        format=payload_format,
        received_at=NOW,
        sender="10.0.0.7",
    )
    return read_payload(payload, traceparent="00-trace", resolve_timeout=timedelta(minutes=5))


def read_prometheus(*alerts: object) -> ReadPayload:
    """Return what is read from the array that Prometheus posts."""
    return read(list(alerts), payload_format=PayloadFormat.PROMETHEUS)


def report_of(**alert: Any) -> Report:
    """Return the report of one alert of Alertmanager, which must be good."""
    return only(read({"alerts": [alert]}))


def refusal_of(**alert: Any) -> str:
    """Return why one alert of Alertmanager is refused, which it must be."""
    return only_refusal(read({"alerts": [alert]}))


def only(found: ReadPayload) -> Report:
    """Return the only report in a payload without refusals."""
    assert not found.is_refused, found
    (alert,) = found.alerts
    return alert.report


def only_refusal(found: ReadPayload) -> str:
    """Return the only refusal in a payload without good alerts."""
    assert (found.alerts, found.refused_count, found.rejection) == ((), 1, ""), found
    (refusal,) = found.refusals
    return refusal.message
