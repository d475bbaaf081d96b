"""Messages of the services: sane defaults, and only what a test is about is named."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.alert.v1 import alert_pb2
from alerthistory.publisher.v1 import delivery_pb2

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe\u2066 [red]markup[/red] :boom:\nsecond line\x9b31m"
"""A text that clears the screen, sets the title, turns the reading order around, and forges a second line."""

UNSAFE = "\x1b\x07\u202e\u2066\x9b"


def ago(**span: float) -> Timestamp:
    """Return the moment that lies *span* in the past."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) - timedelta(**span))
    return stamp


def alert(**overrides: Any) -> alert_pb2.Alert:
    """Return a critical alert that has been firing for five minutes."""
    fields: dict[str, Any] = {
        "fingerprint": "00000000000000a1",
        "alert_name": "HighLatency",
        "namespace": "shop",
        "is_firing": True,
        "starts_at": ago(minutes=5, seconds=1),
        "labels_json": b'{"alertname":"HighLatency","namespace":"shop"}',
        "annotations_json": b'{"summary":"slow"}',
        "severity": alert_pb2.SEVERITY_CRITICAL,
        "first_seen_at": ago(minutes=5),
        "last_seen_at": ago(seconds=10),
        "times_seen": 3,
        "times_fired": 1,
    }
    return alert_pb2.Alert(**(fields | overrides))


def event(name: str, **overrides: Any) -> alert_pb2.AlertEvent:
    """Return the event that the alert *name* fired."""
    fields: dict[str, Any] = {
        "event_id": f"id-{name}",
        "kind": alert_pb2.EVENT_KIND_FIRED,
        "fingerprint": "00000000000000a1",
        "alert_name": name,
        "starts_at": ago(minutes=5),
        "labels_json": b'{"namespace":"shop","severity":"critical"}',
        "annotations_json": b"{}",
        "occurred_at": ago(minutes=4),
        "received_at": ago(minutes=4),
        "sender": "alertmanager http://am-0:9093",
    }
    return alert_pb2.AlertEvent(**(fields | overrides))


def delivery(number: int, **overrides: Any) -> delivery_pb2.Delivery:
    """Return a dead delivery to the target ``pager``."""
    fields: dict[str, Any] = {
        "delivery_id": number,
        "event_id": f"id-{number}",
        "target": "pager",
        "fingerprint": "00000000000000a1",
        "alert_name": "HighLatency",
        "kind": alert_pb2.EVENT_KIND_FIRED,
        "state": delivery_pb2.DELIVERY_STATE_DEAD,
        "attempts": 5,
        "last_result": "refused",
        "last_status_code": 400,
        "created_at": ago(minutes=3),
    }
    return delivery_pb2.Delivery(**(fields | overrides))
