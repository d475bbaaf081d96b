"""Test alerts: our own, or one that somebody wrote."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant, Verdict
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_publisher.domain.deliveries import Claim, Publication
from alerthistory_publisher.domain.targets import Target

MARK = "x-alert-history-test"
_GENERATOR_URL = "http://alert-history/test"


def default_probe(target: str, *, at: Instant) -> AlertEvent:
    """Return the alert that is sent when nobody gives one: the legacy contract's."""
    annotations = {"description": f"Test alert for target {target}", "summary": "Publishing target test"}
    labels = {"alertname": "TestAlert", "severity": "info", "source": "alert-history-test"}
    alert = {"labels": labels, "annotations": annotations, "generatorURL": _GENERATOR_URL}
    return _event(alert, target=target, at=at)


def probe_of(alert_json: bytes, *, target: str, at: Instant) -> AlertEvent:
    """Return the alert that *alert_json* holds, as in a webhook's ``alerts``; what it does not say is filled in.

    Raises InvalidArgumentError when it is no JSON object, or its labels or annotations are none.
    """
    try:
        alert = json.loads(alert_json)
    except (ValueError, RecursionError) as error:
        raise _refused("it is not JSON") from error
    if not isinstance(alert, dict):
        raise _refused("it is not an object")
    for field in ("labels", "annotations"):
        if not isinstance(alert.get(field) or {}, dict):
            raise _refused(f"its {field} are not an object")
    return _event(alert, target=target, at=at)


def probe_claim(probe: AlertEvent, *, target: str, now: Instant, verdict: Verdict | None = None) -> Claim:
    """Return *probe* as if it had been claimed for *target*: nothing of it is kept anywhere."""
    return Claim(
        delivery_id=0,
        target=target,
        attempt=1,
        fence=1,
        publication=Publication(event=probe, verdict=verdict),
        ordered_at=now,
        give_up_at=now,
    )


def marked(target: Target) -> Target:
    """Return *target* as it is told about a test: with a header that says so."""
    return replace(target, headers=(*target.headers, (MARK, "true")))


def _event(alert: dict[str, Any], *, target: str, at: Instant) -> AlertEvent:
    labels, annotations = alert.get("labels") or {}, alert.get("annotations") or {}
    identity = f"test-{target}-{at.micros // 1_000_000}"
    is_resolved = alert.get("status") == "resolved"
    url = alert.get("generatorURL")
    return AlertEvent(
        event_id=f"test-{target}-{at.micros}",
        cursor="",
        kind=EventKind.RESOLVED if is_resolved else EventKind.FIRED,
        fingerprint=Fingerprint(str(alert.get("fingerprint") or identity)),
        alert_name=str(labels.get("alertname", "unknown")),
        starts_at=_instant(alert.get("startsAt")) or at,
        ends_at=(_instant(alert.get("endsAt")) or at) if is_resolved else None,
        labels_json=json.dumps(labels).encode(),
        annotations_json=json.dumps(annotations).encode(),
        generator_url=None if url is None else str(url),
        occurred_at=at,
        received_at=at,
        sender="test",
    )


def _instant(value: object) -> Instant | None:
    """Return the moment that *value* names, None when it names none: a test is no place to be strict."""
    try:
        moment = datetime.fromisoformat(str(value))
        return Instant.from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _refused(reason: str) -> InvalidArgumentError:
    violation = FieldViolation(field="alert_json", description=reason)
    return InvalidArgumentError(f"the test alert cannot be used: {reason}", violation)
