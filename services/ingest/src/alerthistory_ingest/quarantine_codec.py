"""Quarantined payloads and their protobuf messages."""

from collections.abc import Iterable

from alerthistory.history.v1 import quarantine_pb2
from alerthistory_common import alert_codec
from alerthistory_ingest.domain.payload import Refusal
from alerthistory_ingest.domain.quarantine import Quarantined


def to_message(row: Quarantined) -> quarantine_pb2.QuarantinedPayload:
    """Return *row* as a message."""
    return quarantine_pb2.QuarantinedPayload(
        quarantine_id=row.quarantine_id,
        body=row.body,
        format=row.format,
        sender=row.sender,
        received_at=alert_codec.timestamp(row.received_at),
        errors=error_messages(row.errors),
        error_count=row.error_count,
        body_size=row.body_size,
        times_received=row.times_received,
    )


def from_message(message: quarantine_pb2.QuarantinedPayload) -> Quarantined:
    """Return the row in *message*."""
    return Quarantined(
        quarantine_id=message.quarantine_id,
        body=message.body,
        format=message.format,
        sender=message.sender,
        received_at=alert_codec.instant(message.received_at),
        errors=tuple(Refusal(index=error.index, message=error.message) for error in message.errors),
        error_count=message.error_count,
        body_size=message.body_size,
        times_received=message.times_received,
    )


def error_messages(refusals: Iterable[Refusal]) -> list[quarantine_pb2.QuarantineError]:
    """Return *refusals* as messages."""
    return [quarantine_pb2.QuarantineError(index=refusal.index, message=refusal.message) for refusal in refusals]
