"""Builders for tests of what is sent: claims, and the letters and parcels that tell of them."""

import json
from datetime import timedelta
from typing import Any

from alerthistory_common.alerts import AlertEvent, EventKind, Verdict
from alerthistory_publisher.domain.deliveries import Claim, Publication
from alerthistory_publisher.domain.outcomes import later
from alerthistory_publisher.domain.parcels import Parcel, pack
from alerthistory_publisher.domain.targets import Target
from tests.events import FIRED_AT, event

SLACK_BOT = "https://slack.example.com/api/chat.postMessage"


def claim(told: AlertEvent | None = None, verdict: Verdict | None = None, **overrides: Any) -> Claim:
    """Return the claim on the first attempt to tell about *told*: an alert named HighLatency that fired just now."""
    fields: dict[str, Any] = {
        "delivery_id": 1,
        "target": "ops",
        "attempt": 1,
        "fence": 1,
        "publication": Publication(event=told or event(), verdict=verdict),
        "ordered_at": FIRED_AT,
        "give_up_at": later(FIRED_AT, timedelta(days=1)),
    }
    return Claim(**(fields | overrides))


def ended(**overrides: Any) -> AlertEvent:
    """Return the event that an alert resolved, 65 minutes after it fired."""
    return event(kind=EventKind.RESOLVED, ends_at=later(FIRED_AT, timedelta(minutes=65)), **overrides)


def target(format_name: str, **overrides: Any) -> Target:
    """Return a target of this format."""
    fields: dict[str, Any] = {"name": "ops", "format": format_name, "url": "https://example.com/hooks/s3cret-path"}
    return Target(**(fields | overrides))


def packed(of: Claim, to: Target) -> Parcel:
    """Return the parcel as it is sent when the alert fired; the end of an alert was made known as ``id-1``."""
    return pack(of, target=to, now=FIRED_AT)


def document(of: Claim, to: Target) -> Any:
    """Return what is in the parcel, which must be JSON that every receiver can read."""
    body = packed(of, to).body
    assert body.isascii()
    found = json.loads(body, parse_constant=_no_constant)
    json.dumps(found, ensure_ascii=False).encode()  # Raises for lone surrogates.
    return found


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
