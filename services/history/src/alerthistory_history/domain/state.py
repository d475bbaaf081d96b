"""The effective state of one alert, and what folding a report into it gives.

Times are integer microseconds since 1970 in UTC. The rules are told in ``docs/effective-state.md``.
"""

from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from alerthistory_common.alerts import EventKind


class Decision(StrEnum):
    """What a report meant for the effective state. Every decision is counted."""

    FIRED = "fired"
    REFIRED = "refired"
    RESOLVED = "resolved"
    START_MOVED = "start_moved"
    ANNOTATIONS_CHANGED = "annotations_changed"
    REPEATED = "repeated"
    HELD = "held"
    HOLD_CANCELLED = "hold_cancelled"
    DUPLICATE = "duplicate"
    LATE_RESOLVE = "late_resolve"
    NOT_OPEN = "not_open"
    SUPERSEDED = "superseded"


class Policy(Struct, frozen=True, kw_only=True):
    """The time windows of the rules."""

    hold_window: timedelta = timedelta(seconds=30)
    lease_grace: timedelta = timedelta(minutes=1)
    stale_after: timedelta = timedelta(hours=8, minutes=5)
    max_holds: int = 8


class Hold(Struct, frozen=True, kw_only=True):
    """A firing that waits for its sender to take it back; it fires at ``due_at`` otherwise."""

    sender: str
    start: int
    due_at: int
    annotations_json: bytes
    generator_url: str | None
    lease_expires_at: int | None
    received_at: int
    traceparent: str = ""


class AlertState(Struct, frozen=True, kw_only=True):
    """What is true of one fingerprint. A fresh instance is an alert nobody has heard of.

    ``start`` is that of the open episode, or of the last one. ``lease_expires_at`` is set while a leased episode is
    open. ``last_resolve`` is (start, ends_at) of the last applied resolve. ``holds`` are ordered by sender.
    """

    is_firing: bool = False
    start: int | None = None
    closed_through: int | None = None
    last_resolve: tuple[int, int | None] | None = None
    holds: tuple[Hold, ...] = ()
    lease_expires_at: int | None = None
    is_stale: bool = False
    annotations_json: bytes = b"{}"
    generator_url: str | None = None
    last_seen_at: int | None = None
    times_seen: int = 0
    times_fired: int = 0


class Change(Struct, frozen=True, kw_only=True):
    """A change of the effective state, to be written as an event.

    ``start`` is the episode's start after the change; ``end`` is set on closing kinds. ``received_at`` and ``sender``
    are those of the report behind it, or of the hold that fell due. For EXPIRED and WENT_STALE, ``received_at`` is the
    moment of settling and ``sender`` is empty.
    """

    kind: EventKind
    start: int
    end: int | None
    received_at: int
    sender: str
    annotations_json: bytes
    generator_url: str | None
    traceparent: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """The state after a report, the decision taken, and the change when there was one."""

    state: AlertState
    decision: Decision
    change: Change | None = None
