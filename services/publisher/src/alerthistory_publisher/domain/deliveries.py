"""Deliveries: one event on its way to one target."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant, Verdict
from alerthistory_common.breaker import BreakerState


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    FILTERED = "filtered"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One event to tell about, and the verdict that goes with it."""

    event: AlertEvent
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A delivery that is wanted, or that was decided against. One per (event, target) is made, however often ordered.

    ``decision`` says why it is held back until ``due_at``, or not made at all. ``supersedes`` is the delivery that is
    over with this one, when no worker has had it yet; otherwise this one is made after it.
    """

    publication: Publication
    target: str
    ordered_at: Instant
    give_up_at: Instant
    due_at: Instant
    state: DeliveryState = DeliveryState.PENDING
    decision: str = ""
    supersedes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery in the hands of one worker. *fence* counts claims: only the last one records.

    *attempt* counts sends, this one included, from 1. *thread* is the receipt of the delivery that told of the
    beginning of the same episode, empty when there is none.
    """

    delivery_id: int
    target: str
    attempt: int
    fence: int
    publication: Publication
    ordered_at: Instant
    give_up_at: Instant
    thread: str = ""

    @property
    def webhook_id(self) -> str:
        """The receiver's idempotency key: the same on every attempt."""
        text = f"{self.publication.event.event_id}\0{self.target}"
        return f"ah_{sha256(text.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery as it is shown. ``last_status_code`` is 0 when the last attempt had no answer."""

    delivery_id: int
    event_id: str
    target: str
    fingerprint: Fingerprint
    alert_name: str
    kind: EventKind
    state: DeliveryState
    attempts: int
    last_result: str
    last_status_code: int
    ordered_at: Instant
    next_attempt_at: Instant | None
    delivered_at: Instant | None
    decision: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are wanted; what is None does not restrict."""

    state: DeliveryState | None = None
    target: str | None = None
    fingerprint: Fingerprint | None = None
    ordered_since: Instant | None = None
    ordered_before: Instant | None = None
    last_result_contains: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many deliveries stand where, and since when the oldest pending one waits."""

    pending: int = 0
    delivered: int = 0
    dead: int = 0
    filtered: int = 0
    superseded: int = 0
    oldest_pending_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStanding:
    """Whether a target's circuit breaker lets deliveries through, as the replica that changed it last saw it."""

    state: BreakerState
    open_until: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFigures:
    """What became of the deliveries to one target."""

    target: str
    delivered: int = 0
    dead: int = 0
    pending: int = 0
    filtered: int = 0
    superseded: int = 0
    last_delivered_at: Instant | None = None
    breaker: BreakerStanding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What of the dead is, or would be, pending again; and how many are over, because newer ones were delivered."""

    count: int
    superseded_count: int = 0
    last_due_at: Instant | None = None
    has_more: bool = False
