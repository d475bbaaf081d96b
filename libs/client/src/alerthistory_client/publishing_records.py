"""Who is told about alerts, who is not and why, and what became of it: what the publisher answers, besides figures."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from alerthistory_common.alerts import EventKind, Fingerprint, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One receiver of alerts, without its secrets.

    ``filter_json`` is what of its configuration decides which alerts it is told: a JSON object. ``source`` says where
    it is configured.
    """

    name: str
    format: str
    address: str
    is_enabled: bool
    sends_resolved: bool
    url: str
    source: str
    rate_limits: tuple[str, ...]
    concurrency: int
    filter_json: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProblem:
    """An entry of the configuration that cannot be used; what worked before stays in force."""

    source: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetList:
    """The targets in the order of their configuration, and what of it cannot be used."""

    targets: tuple[Target, ...]
    problems: tuple[TargetProblem, ...]


class BreakerState(StrEnum):
    """Whether a target's circuit breaker lets deliveries through; while it is open they wait, and none is lost."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStats:
    """What became of the deliveries to one target. ``breaker_state`` is None when nothing was ever sent to it."""

    target: str
    delivered: int = 0
    dead: int = 0
    pending: int = 0
    filtered: int = 0
    superseded: int = 0
    last_delivered_at: Instant | None = None
    breaker_state: BreakerState | None = None
    breaker_open_until: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingStats:
    """Counts by target, configured ones first; and how many alerts fired within the last five minutes."""

    targets: tuple[TargetStats, ...]
    recently_fired_alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What came of a test alert. ``status_code`` is 0 without an answer; ``problem`` is empty when there is none."""

    is_delivered: bool
    status_code: int
    response_time: timedelta
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be sent; what is secret in it is ``***``."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


class DeliveryState(StrEnum):
    """Where a delivery stands; a dead one was given up and can be retried by hand.

    A filtered one was kept back by a rule or its target's own filter; a superseded one, because the alert's state
    changed again before it was due.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    FILTERED = "filtered"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one target. ``last_status_code`` is 0 when the target gave no answer.

    ``decision`` says why it is held back, filtered or superseded; ``receipt`` is what the receiver calls that which it
    made there. Both are often empty.
    """

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
    created_at: Instant
    next_attempt_at: Instant | None
    delivered_at: Instant | None
    decision: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are wanted: those that meet every condition given.

    They were ordered not before *since*, and before *until*; *result* is text that their last result contains, in any
    case of its letters.
    """

    state: DeliveryState | None = None
    target: str = ""
    fingerprint: str = ""
    since: Instant | None = None
    until: Instant | None = None
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """How many dead deliveries are to be pending again, by how many calls, and how many become due in a second."""

    wanted: DeliveryFilter
    count: int
    calls: int
    per_second: float

    @property
    def duration(self) -> timedelta:
        """How long after the first of them the last is due."""
        return timedelta(seconds=max(0, self.count - 1) / self.per_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How many deliveries were dead and are pending again; and when the last is due, None when there is none.

    ``has_more`` says that there are others, which were left dead.
    """

    count: int
    last_due_at: Instant | None
    has_more: bool


class PublishAction(StrEnum):
    """What is done about an event at a target.

    It is sent at once, held back until later, filtered, or superseded: neither it nor what was held back is told.
    """

    SEND = "send"
    HOLD = "hold"
    FILTER = "filter"
    SUPERSEDE = "supersede"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishExplanation:
    """What is done about an event at one target, what decides and why; ``due_at`` is None when it is not told."""

    target: str
    action: PublishAction
    decided_by: str
    reason: str
    due_at: Instant | None


class FilterAction(StrEnum):
    """What a filter rule does with the alerts that it matches."""

    ALLOW = "allow"
    DENY = "deny"
    DELAY = "delay"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRule:
    """One rule; of the enabled ones that match, the one with the lowest priority, 1-1000, decides.

    ``conditions_json`` is a JSON object; ``target`` is empty for a rule that is for all.
    """

    name: str
    action: FilterAction
    conditions_json: bytes
    priority: int = 100
    is_enabled: bool = True
    target: str = ""
