"""Wrong versions of fold and settle, each broken in one way, made by wrapping the real ones.

They are the negative controls of ``test_fold_model``: a check that lets one of these pass guards nothing.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from alerthistory_common.alerts import EventKind, Report
from alerthistory_history.domain.fold import fold, settle
from alerthistory_history.domain.state import AlertState, Change, Decision, Outcome, Policy

Settled = tuple[AlertState, tuple[Change, ...]]


class Fold(Protocol):
    """The signature of ``fold``."""

    def __call__(
        self, state: AlertState, report: Report, *, newest_received_at: int | None, policy: Policy
    ) -> Outcome: ...


class Settle(Protocol):
    """The signature of ``settle``."""

    def __call__(self, state: AlertState, now: int, *, policy: Policy) -> Settled: ...


def afterwards(mend: Callable[[AlertState, Report, Outcome], Outcome]) -> Fold:
    """Return a fold whose outcome is changed by *mend* (state before, report, outcome)."""

    def mutant(state: AlertState, report: Report, *, newest_received_at: int | None, policy: Policy) -> Outcome:
        outcome = fold(state, report, newest_received_at=newest_received_at, policy=policy)
        return mend(state, report, outcome)

    mutant.__name__ = mend.__name__
    return mutant


def change_of(state: AlertState, report: Report, kind: EventKind) -> Change:
    """Return the change that says *kind* of the episode in *state* because of *report*."""
    return Change(
        kind=kind,
        start=state.start or 0,
        end=None if kind.is_firing else report.received_at.micros,
        received_at=report.received_at.micros,
        sender=report.sender,
        annotations_json=report.annotations_json,
        generator_url=report.generator_url,
    )


@afterwards
def closes_on_a_late_resolve(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is not Decision.LATE_RESOLVE:
        return outcome
    closed = replace(outcome.state, is_firing=False, lease_expires_at=None, is_stale=False)
    change = change_of(before, report, EventKind.RESOLVED)
    return Outcome(state=closed, decision=Decision.RESOLVED, change=change)


@afterwards
def drops_held_firings(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    return replace(outcome, state=replace(outcome.state, holds=()))


@afterwards
def takes_a_refire_with_the_same_start_for_a_repeat(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is Decision.HELD and report.starts_at.micros == before.start:
        return Outcome(state=before, decision=Decision.REPEATED)
    return outcome


@afterwards
def lets_a_repeated_firing_put_off_its_hold(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is not Decision.HELD:
        return outcome
    due = report.received_at.micros + 30_000_000
    holds = (replace(h, due_at=due) if h.sender == report.sender else h for h in outcome.state.holds)
    return replace(outcome, state=replace(outcome.state, holds=tuple(holds)))


@afterwards
def tells_of_repeats(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is not Decision.REPEATED:
        return outcome
    return replace(outcome, change=change_of(outcome.state, report, EventKind.ANNOTATIONS_CHANGED))


@afterwards
def refires_while_open(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is not Decision.START_MOVED:
        return outcome
    return replace(outcome, change=change_of(outcome.state, report, EventKind.REFIRED))


@afterwards
def believes_far_future_ends(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is not Decision.RESOLVED or not outcome.change or not report.ends_at:
        return outcome
    end = max(outcome.change.end or 0, report.ends_at.micros)
    state = replace(outcome.state, closed_through=end)
    return replace(outcome, state=state, change=replace(outcome.change, end=end))


@afterwards
def replaces_the_lease_by_a_shorter_one(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if not (before.is_firing and before.lease_expires_at and report.is_firing and report.lease_expires_at):
        return outcome
    return replace(outcome, state=replace(outcome.state, lease_expires_at=report.lease_expires_at.micros))


@afterwards
def leases_an_unleased_episode(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if not (outcome.state.is_firing and report.is_firing and report.lease_expires_at):
        return outcome
    return replace(outcome, state=replace(outcome.state, lease_expires_at=report.lease_expires_at.micros))


@afterwards
def forgets_the_leases_of_dropped_holds(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision not in {Decision.FIRED, Decision.REFIRED}:
        return outcome
    lease = report.lease_expires_at.micros if report.lease_expires_at else None
    return replace(outcome, state=replace(outcome.state, lease_expires_at=lease))


@afterwards
def counts_replays(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is not Decision.SUPERSEDED:
        return outcome
    return replace(outcome, state=replace(before, times_seen=before.times_seen + 1))


@afterwards
def forgets_where_a_cancelled_hold_ended(before: AlertState, report: Report, outcome: Outcome) -> Outcome:
    if outcome.decision is not Decision.HOLD_CANCELLED:
        return outcome
    return replace(outcome, state=replace(outcome.state, closed_through=before.closed_through))


def lets_any_sender_cancel_a_hold(
    state: AlertState, report: Report, *, newest_received_at: int | None, policy: Policy
) -> Outcome:
    if not report.is_firing and state.holds and report.sender not in {h.sender for h in state.holds}:
        report = replace(report, sender=state.holds[0].sender)
    return fold(state, report, newest_received_at=newest_received_at, policy=policy)


def forgets_what_it_applied(
    state: AlertState, report: Report, *, newest_received_at: int | None, policy: Policy
) -> Outcome:
    forgetful = replace(state, last_resolve=None)
    outcome = fold(forgetful, report, newest_received_at=newest_received_at, policy=policy)
    last_resolve = outcome.state.last_resolve or state.last_resolve
    return replace(outcome, state=replace(outcome.state, last_resolve=last_resolve))


def believes_replays(state: AlertState, report: Report, *, newest_received_at: int | None, policy: Policy) -> Outcome:
    return fold(state, report, newest_received_at=None, policy=policy)


def drops_holds_that_fall_due(state: AlertState, now: int, *, policy: Policy) -> Settled:
    waiting = tuple(h for h in state.holds if h.due_at > now)
    return settle(replace(state, holds=waiting), now, policy=policy)


def tells_one_change_at_a_time(state: AlertState, now: int, *, policy: Policy) -> Settled:
    settled, changes = settle(state, now, policy=policy)
    return settled, changes[:1]


def never_expires(state: AlertState, now: int, *, policy: Policy) -> Settled:
    return settle(replace(state, lease_expires_at=None), now, policy=policy)


def marks_stale_again_and_again(state: AlertState, now: int, *, policy: Policy) -> Settled:
    return settle(replace(state, is_stale=False), now, policy=policy)


def leases_a_refire_when_any_hold_is_leased(state: AlertState, now: int, *, policy: Policy) -> Settled:
    lease = max((h.lease_expires_at or 0 for h in state.holds), default=0) or None
    holds = tuple(replace(h, lease_expires_at=lease) for h in state.holds)
    return settle(replace(state, holds=holds), now, policy=policy)


def refires_with_the_start_of_the_first_hold(state: AlertState, now: int, *, policy: Policy) -> Settled:
    settled, changes = settle(state, now, policy=policy)
    if not changes or changes[0].kind is not EventKind.REFIRED:
        return settled, changes
    start = min(state.holds, key=lambda h: h.due_at).start
    return replace(settled, start=start), (replace(changes[0], start=start), *changes[1:])
