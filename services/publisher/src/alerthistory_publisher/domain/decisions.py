"""Decisions: what is done about an event at a target, and why. A pure function of what is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alerthistory_common.alerts import EventKind, Instant
from alerthistory_publisher.domain.active_times import next_active
from alerthistory_publisher.domain.conditions import Subject
from alerthistory_publisher.domain.deliveries import DeliveryState
from alerthistory_publisher.domain.filters import FilterAction, RuleBook
from alerthistory_publisher.domain.outcomes import later
from alerthistory_publisher.domain.targets import Target

DELAY = timedelta(minutes=5)
"""How long a rule with the action ``delay`` holds an alert back."""


class Action(StrEnum):
    """What is done."""

    SEND = "send"
    HOLD = "hold"
    FILTER = "filter"
    SUPERSEDE = "supersede"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is done, what decided that, and why; ``due_at`` is when the target is told, None when it is not."""

    action: Action
    decided_by: str
    reason: str = ""
    due_at: Instant | None = None

    @property
    def is_told(self) -> bool:
        """Whether the target is told, now or later."""
        return self.action in {Action.SEND, Action.HOLD}

    @property
    def text(self) -> str:
        """What decided and why, for a person; empty when the target is told at once."""
        return "" if self.action is Action.SEND else f"{self.decided_by}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The delivery that tells, told, or was not to tell a target that an alert fires: the last one of that alert.

    ``due_at`` is until when it is, or was, held back; None when it was not. ``is_held``: it still is, and no worker has
    had it. ``delivery_id`` is None when it is not stored yet.
    """

    delivery_id: int | None
    state: DeliveryState
    ordered_at: Instant
    due_at: Instant | None = None
    is_held: bool = False


def decide(
    kind: EventKind, subject: Subject, target: Target, *, rules: RuleBook, beginning: Beginning | None, now: Instant
) -> Decision:
    """Return what is done about an event of *kind* at *target*.

    *beginning* is the last delivery that was about the same alert and target and a firing, None when there was none.
    The end of what was told is told, whatever the filters say; the end of what was not told is not.
    """
    if not kind.is_published:
        return _filtered("default", "such changes are remembered, and nobody is told")
    if not target.is_enabled:
        return _filtered("enabled", "the target is disabled")
    if kind.is_firing:
        return _of_beginning(subject, target, rules=rules, beginning=beginning, now=now)
    return _of_end(subject, target, rules=rules, beginning=beginning, now=now)


def _of_end(
    subject: Subject, target: Target, *, rules: RuleBook, beginning: Beginning | None, now: Instant
) -> Decision:
    if not target.sends_resolved:
        return _filtered("send_resolved", "the target does not want to know about ends")
    if beginning is None:
        return _unwanted(subject, target, rules) or _sent(now)
    if beginning.state in {DeliveryState.FILTERED, DeliveryState.SUPERSEDED}:
        return _filtered("beginning", "the target was not told that it fires")
    if beginning.is_held:
        reason = "it ended before the target was told that it fires"
        return Decision(action=Action.SUPERSEDE, decided_by="beginning", reason=reason)
    return _sent(now)


def _of_beginning(
    subject: Subject, target: Target, *, rules: RuleBook, beginning: Beginning | None, now: Instant
) -> Decision:
    if (unwanted := _unwanted(subject, target, rules)) is not None:
        return unwanted
    opening = next_active(target.filter.active_times, now.to_datetime())
    if opening is None:
        return _filtered("active_times", "no such time comes")
    holds = [
        _held("active_times", "the target is told at its times only", Instant.from_datetime(opening)),
        *_delays(subject, target, rules=rules, now=now),
        *_repetition(subject, target, beginning=beginning),
    ]
    longest = max(holds, key=lambda hold: hold.due_at or now)
    return longest if longest.due_at is not None and longest.due_at > now else _sent(now)


def _unwanted(subject: Subject, target: Target, rules: RuleBook) -> Decision | None:
    if (objection := target.filter.objection(subject)) is not None:
        return _filtered(*objection)
    rule = rules.deciding(subject, target.name)
    if rule is None or rule.action is not FilterAction.DENY:
        return None
    return _filtered(f"rule {rule.name}", "it denies such alerts")


def _delays(subject: Subject, target: Target, *, rules: RuleBook, now: Instant) -> Sequence[Decision]:
    rule = rules.deciding(subject, target.name)
    if rule is None or rule.action is not FilterAction.DELAY:
        return []
    return [_held(f"rule {rule.name}", "it delays such alerts", later(now, DELAY))]


def _repetition(subject: Subject, target: Target, *, beginning: Beginning | None) -> Sequence[Decision]:
    """Return how long what fires again is held back: people were told a moment ago, and it may be over soon."""
    if beginning is None or subject.is_critical or beginning.state is DeliveryState.FILTERED:
        return []
    # What was superseded was not told: what counts is the delivery for whose sake it was held back.
    was_told = beginning.state is not DeliveryState.SUPERSEDED
    until = later(beginning.ordered_at, target.deduplication_window) if was_told else beginning.due_at
    if until is None:
        return []
    return [_held("deduplication_window", "the target was told a moment ago that it fires", until)]


def _sent(now: Instant) -> Decision:
    return Decision(action=Action.SEND, decided_by="default", reason="nothing is against it", due_at=now)


def _held(decided_by: str, reason: str, until: Instant) -> Decision:
    return Decision(action=Action.HOLD, decided_by=decided_by, reason=reason, due_at=until)


def _filtered(decided_by: str, reason: str) -> Decision:
    return Decision(action=Action.FILTER, decided_by=decided_by, reason=reason)
