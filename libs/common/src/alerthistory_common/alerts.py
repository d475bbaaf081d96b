"""The words of the domain: instants, severities, alerts as reported, verdicts, events.

Everything here is a plain immutable value without I/O; services speak about alerts in these types and translate to
protobuf, SQL or JSON only at their edges.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, NewType, Self

from msgspec import Struct

Fingerprint = NewType("Fingerprint", str)
"""An alert's identity as its sender gave it (Alertmanager: 16 hex digits), or as ingest computed it when absent."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(NamedTuple):
    """A moment in UTC: microseconds since 1970 (negative before), and the 0-999 nanoseconds that follow them.

    An int64 of nanoseconds covers 1677-2262 only, and Alertmanager puts the year 1 on every firing alert.
    Microseconds are truncated, never rounded: they are the key of an occurrence.
    """

    micros: int
    nanos: int = 0

    @classmethod
    def from_datetime(cls, moment: datetime) -> Self:
        """Return the instant of an aware *moment*; raise ValueError for a naive one."""
        if moment.tzinfo is None:
            raise ValueError("a naive datetime names no instant")
        return cls((moment - _EPOCH) // timedelta(microseconds=1))

    def to_datetime(self) -> datetime:
        """Return the aware UTC datetime, without the nanoseconds."""
        return _EPOCH + timedelta(microseconds=self.micros)

    def iso_utc(self) -> str:
        """Return ``YYYY-MM-DDTHH:MM:SS[.ffffff]+00:00``, the text of the legacy contract."""
        return self.to_datetime().isoformat()


ZERO_TIME = Instant.from_datetime(datetime(1, 1, 1, tzinfo=UTC))
"""``0001-01-01T00:00:00Z``, which Go programs send for "no time"."""


class Severity(StrEnum):
    """What a person should do about an alert, and when."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NOISE = "noise"


class EventKind(StrEnum):
    """A change of an alert's effective state."""

    FIRED = "fired"
    REFIRED = "refired"
    RESOLVED = "resolved"
    EXPIRED = "expired"
    START_MOVED = "start_moved"
    ANNOTATIONS_CHANGED = "annotations_changed"
    WENT_STALE = "went_stale"

    @property
    def is_published(self) -> bool:
        """Whether people are told about this change; the other kinds are only remembered."""
        return self in _PUBLISHED

    @property
    def is_firing(self) -> bool:
        """Whether the alert is firing after this change."""
        return self not in _CLOSING


_PUBLISHED = frozenset({EventKind.FIRED, EventKind.REFIRED, EventKind.RESOLVED, EventKind.EXPIRED})
_CLOSING = frozenset({EventKind.RESOLVED, EventKind.EXPIRED})


class Report(Struct, frozen=True, kw_only=True):
    """What one sender said about one alert, once.

    ``labels_json`` and ``annotations_json`` are UTF-8 JSON as the legacy contract shows it: keys sorted at every level,
    no spaces, non-ASCII raw. ``alert_name``, ``namespace`` and ``severity_label`` are taken from the labels by ingest.
    """

    fingerprint: Fingerprint
    alert_name: str
    is_firing: bool
    starts_at: Instant
    ends_at: Instant | None
    labels_json: bytes
    annotations_json: bytes
    generator_url: str | None
    received_at: Instant
    sender: str
    namespace: str = ""
    severity_label: str = ""
    lease_expires_at: Instant | None = None
    traceparent: str = ""


class HistoryContext(Struct, frozen=True, kw_only=True):
    """What an alert's past says about it, as input for a verdict. What is None never happened."""

    times_fired: int = 0
    median_duration: timedelta | None = None
    last_resolved_at: Instant | None = None
    flaps_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How serious an alert is, who says so and why. ``confidence`` is 0-1."""

    severity: Severity
    confidence: float
    reasoning: str
    recommendations: tuple[str, ...] = ()
    source: str = "rules"
    rules: tuple[str, ...] = ()
    processing_time: timedelta = timedelta(0)


class AlertEvent(Struct, frozen=True, kw_only=True):
    """One change of one alert's effective state, with the alert's content at that time.

    ``cursor`` orders all events and resumes a tail after this one; it is opaque outside the history service.
    ``ends_at`` is set on closing events. ``occurred_at`` is when history decided.
    """

    event_id: str
    cursor: str
    kind: EventKind
    fingerprint: Fingerprint
    alert_name: str
    starts_at: Instant
    ends_at: Instant | None
    labels_json: bytes
    annotations_json: bytes
    generator_url: str | None
    occurred_at: Instant
    received_at: Instant
    sender: str
    traceparent: str = ""
