"""Parcels: what is sent to a target in one attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from alerthistory_common.alerts import Instant
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.choice import format_of
from alerthistory_publisher.domain.targets import Target

_YOUNG = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One request, and the trace it belongs to: as a child of *parent*, or in a new one with a link.

    The address and the headers are complete: nothing of the target's is added.
    """

    url: str = field(repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    parent: str = ""
    linked: str = ""


def pack(claim: Claim, *, target: Target, now: Instant) -> Parcel:
    """Return the parcel of the claimed attempt.

    Raises ValueError or RecursionError when the alert cannot be written in the target's format.
    """
    headers = {
        **dict(target.headers),
        "Content-Type": "application/json",
        "User-Agent": "AlertHistory-Publisher/1.0",
        "webhook-id": claim.webhook_id,
        "webhook-timestamp": str(now.micros // 1_000_000),
    }
    origin = claim.publication.event.traceparent
    is_fresh = claim.attempt == 1 and now.to_datetime() - claim.ordered_at.to_datetime() < _YOUNG
    return Parcel(
        url=target.url,
        headers=headers,
        body=format_of(target)(claim.publication, at=claim.ordered_at),
        parent=origin if is_fresh else "",
        linked="" if is_fresh else origin,
    )
