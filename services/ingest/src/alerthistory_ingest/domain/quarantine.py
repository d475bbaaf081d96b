"""Payloads that could not be stored, in whole or in part."""

from collections.abc import Sequence
from dataclasses import dataclass

from alerthistory_common.alerts import Instant
from alerthistory_ingest.domain.payload import MAX_LISTED_REFUSALS, Payload, PayloadFormat, ReadPayload, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One payload in quarantine. ``format`` is a text, because rows may be older or newer than this program."""

    quarantine_id: int = 0
    body: bytes
    format: str
    sender: str
    received_at: Instant
    errors: tuple[Refusal, ...]
    error_count: int
    body_size: int
    times_received: int = 1

    def to_payload(self, now: Instant) -> Payload:
        """Return the payload as if it had been received *now*; raise ValueError for an unknown format."""
        return Payload(
            body=self.body, format=PayloadFormat(self.format), received_at=now, sender=self.sender, traceparent=""
        )


def quarantine(payload: Payload, read: ReadPayload, late: Sequence[Refusal], *, max_body_bytes: int) -> Quarantined:
    """Return the row for *payload*, of which *read* was refused when it was read and *late* when it was to be stored.

    Bodies of more than *max_body_bytes* are not kept.
    """
    if read.rejection:
        errors: tuple[Refusal, ...] = (Refusal(index=-1, message=read.rejection),)
        count = 1
    else:
        errors = first_refusals(read, late)
        count = read.refused_count + len(late)
    return Quarantined(
        body=payload.body if len(payload.body) <= max_body_bytes else b"",
        format=payload.format,
        sender=payload.sender,
        received_at=payload.received_at,
        errors=errors,
        error_count=count,
        body_size=len(payload.body),
    )


def first_refusals(read: ReadPayload, late: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """Return the refusals to list, in payload order."""
    return tuple(sorted((*read.refusals, *late), key=lambda refusal: refusal.index)[:MAX_LISTED_REFUSALS])
