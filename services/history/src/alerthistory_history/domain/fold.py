"""The rules by which reports, and time passing, change the effective state of one alert.

Everything here is pure: the same state and report always give the same outcome. ``docs/effective-state.md`` tells the
rules and their reasons; the functions below follow its order.
"""

from collections.abc import Iterable
from datetime import timedelta

from msgspec.structs import replace

from alerthistory_common.alerts import ZERO_TIME, EventKind, Report

from .state import AlertState, Change, Decision, Hold, Outcome, Policy


def fold(state: AlertState, report: Report, *, newest_received_at: int | None, policy: Policy) -> Outcome:
    """Return what *report* makes of *state*.

    *newest_received_at* is the newest of the report's own occurrence, None when that occurrence is unknown. Holds that
    are due and leases that are over do not matter here: only :func:`settle` lets time pass.
    """
    if newest_received_at is not None and report.received_at.micros < newest_received_at:
        return Outcome(state=state, decision=Decision.SUPERSEDED)
    rule = _fold_firing if report.is_firing else _fold_resolve
    return rule(_seen(state, report), report, policy)


def settle(state: AlertState, now: int, *, policy: Policy) -> tuple[AlertState, tuple[Change, ...]]:
    """Return *state* as it is at *now*, and the changes that time alone brought, in order.

    More than one change means that one made the next one due: a hold fires whose lease is already over, or whose report
    is already stale. Settling again at the same moment changes nothing.
    """
    changes: list[Change] = []
    for rule in (_fire_due_holds, _expire, _mark_stale):
        state, change = rule(state, now, policy)
        if change is not None:
            changes.append(change)
    return state, tuple(changes)


def _seen(state: AlertState, report: Report) -> AlertState:
    received_at = report.received_at.micros
    last_seen_at = received_at if state.last_seen_at is None else max(state.last_seen_at, received_at)
    return replace(state, last_seen_at=last_seen_at, times_seen=state.times_seen + 1)


def _fold_firing(state: AlertState, report: Report, policy: Policy) -> Outcome:
    open_start = _open_start(state)
    if open_start is not None:
        return _continue_episode(state, report, open_start)
    if _is_past(state, report.starts_at.micros):
        return _hold_or_refire(state, report, policy)
    return _fire(state, report, EventKind.FIRED)


def _continue_episode(state: AlertState, report: Report, open_start: int) -> Outcome:
    kind = _continuation(state, report, open_start)
    start = report.starts_at.micros if kind is EventKind.START_MOVED else open_start
    after = replace(
        _with_content(state, report),
        start=start,
        is_stale=False,
        lease_expires_at=_shared_lease((state.lease_expires_at, _lease(report))),
    )
    if kind is None:
        return Outcome(state=after, decision=Decision.REPEATED)
    return Outcome(state=after, decision=Decision(kind.value), change=_reported(kind, report, start))


def _continuation(state: AlertState, report: Report, open_start: int) -> EventKind | None:
    if _moves_start_back(state, report.starts_at.micros, open_start):
        return EventKind.START_MOVED
    if report.annotations_json != state.annotations_json:
        return EventKind.ANNOTATIONS_CHANGED
    return None


def _moves_start_back(state: AlertState, start: int, open_start: int) -> bool:
    # A peer's late copy of an episode that is over must not drag the open one back into it: the copy's own late
    # resolve would then close the open episode. A re-fired episode lies in the closed past already.
    if _is_past(state, start) and not _is_past(state, open_start):
        return False
    return start < open_start


def _fire(state: AlertState, report: Report, kind: EventKind) -> Outcome:
    change = _reported(kind, report, report.starts_at.micros)
    after = _open(state, change, _shared_lease((_lease(report), *_held_leases(state))))
    return Outcome(state=after, decision=Decision(kind.value), change=change)


def _open(state: AlertState, change: Change, lease_expires_at: int | None) -> AlertState:
    return replace(
        state,
        is_firing=True,
        start=change.start,
        holds=(),
        lease_expires_at=lease_expires_at,
        is_stale=False,
        annotations_json=change.annotations_json,
        generator_url=change.generator_url,
        times_fired=state.times_fired + 1,
    )


def _hold_or_refire(state: AlertState, report: Report, policy: Policy) -> Outcome:
    held = _hold_of(state, report.sender)
    if held is None and len(state.holds) >= policy.max_holds:
        return _fire(state, report, EventKind.REFIRED)
    hold = _new_hold(report, policy) if held is None else _repeated_hold(held, report)
    holds = sorted((*_other_holds(state, report.sender), hold), key=lambda each: each.sender)
    return Outcome(state=replace(state, holds=tuple(holds)), decision=Decision.HELD)


def _new_hold(report: Report, policy: Policy) -> Hold:
    return Hold(
        sender=report.sender,
        start=report.starts_at.micros,
        due_at=report.received_at.micros + _micros(policy.hold_window),
        annotations_json=report.annotations_json,
        generator_url=report.generator_url,
        lease_expires_at=_lease(report),
        received_at=report.received_at.micros,
        traceparent=report.traceparent,
    )


def _repeated_hold(held: Hold, report: Report) -> Hold:
    return replace(
        held,
        start=min(held.start, report.starts_at.micros),
        annotations_json=report.annotations_json,
        generator_url=report.generator_url,
        lease_expires_at=_shared_lease((held.lease_expires_at, _lease(report))),
        received_at=report.received_at.micros,
        traceparent=report.traceparent,
    )


def _fold_resolve(state: AlertState, report: Report, _policy: Policy) -> Outcome:
    open_start = _open_start(state)
    if open_start is None:
        return _resolve_closed(state, report)
    if _is_duplicate(state, report):
        return Outcome(state=state, decision=Decision.DUPLICATE)
    if not _covers(report, open_start):
        return Outcome(state=state, decision=Decision.LATE_RESOLVE)
    return _close(state, report, open_start)


def _close(state: AlertState, report: Report, open_start: int) -> Outcome:
    end = end_of(report)
    after = replace(
        _with_content(state, report),
        is_firing=False,
        # A resolve covers the open start only by one of these two, so the open start is never after both.
        closed_through=_latest(state.closed_through, end, report.starts_at.micros),
        last_resolve=(report.starts_at.micros, stated_end_of(report)),
        lease_expires_at=None,
        is_stale=False,
    )
    change = _reported(EventKind.RESOLVED, report, open_start, end=end)
    return Outcome(state=after, decision=Decision.RESOLVED, change=change)


def _resolve_closed(state: AlertState, report: Report) -> Outcome:
    end = end_of(report)
    held = _hold_of(state, report.sender)
    if held is not None and _covers(report, held.start):
        closed_through = _latest(state.closed_through, end, report.starts_at.micros)
        after = replace(state, closed_through=closed_through, holds=_other_holds(state, report.sender))
        return Outcome(state=after, decision=Decision.HOLD_CANCELLED)
    decision = Decision.DUPLICATE if _is_duplicate(state, report) else Decision.NOT_OPEN
    return Outcome(state=replace(state, closed_through=_latest(state.closed_through, end)), decision=decision)


def _is_duplicate(state: AlertState, report: Report) -> bool:
    # Without a usable end, a second resolve after a re-fire looks like the first one and must close.
    stated_end = stated_end_of(report)
    if stated_end is None or stated_end < report.starts_at.micros:
        return False
    return state.last_resolve == (report.starts_at.micros, stated_end)


def _covers(report: Report, start: int) -> bool:
    return report.starts_at.micros == start or end_of(report) >= start


def end_of(report: Report) -> int:
    """Return when a resolve says that its episode ended, as far as that can be believed."""
    stated_end = stated_end_of(report)
    if stated_end is None or stated_end < report.starts_at.micros:
        return report.received_at.micros
    return min(stated_end, report.received_at.micros)


def stated_end_of(report: Report) -> int | None:
    """Return the end that *report* names; None for none, and for the year 1, which says the same."""
    if report.ends_at is None or report.ends_at.micros == ZERO_TIME.micros:
        return None
    return report.ends_at.micros


def _fire_due_holds(state: AlertState, now: int, _policy: Policy) -> tuple[AlertState, Change | None]:
    first = min(state.holds, key=lambda hold: hold.due_at, default=None)
    if first is None or first.due_at > now:
        return state, None
    change = Change(
        kind=EventKind.REFIRED,
        start=min(hold.start for hold in state.holds),
        end=None,
        received_at=first.received_at,
        sender=first.sender,
        annotations_json=first.annotations_json,
        generator_url=first.generator_url,
        traceparent=first.traceparent,
    )
    return _open(state, change, _shared_lease(_held_leases(state))), change


def _expire(state: AlertState, now: int, policy: Policy) -> tuple[AlertState, Change | None]:
    open_start = _open_start(state)
    if open_start is None or state.lease_expires_at is None:
        return state, None
    if state.lease_expires_at + _micros(policy.lease_grace) > now:
        return state, None
    closed_through = _latest(state.closed_through, open_start, now)
    after = replace(state, is_firing=False, closed_through=closed_through, lease_expires_at=None, is_stale=False)
    return after, _noticed(EventKind.EXPIRED, state, open_start, now, end=now)


def _mark_stale(state: AlertState, now: int, policy: Policy) -> tuple[AlertState, Change | None]:
    open_start = _open_start(state)
    if open_start is None or state.lease_expires_at is not None or state.is_stale:
        return state, None
    if state.last_seen_at is None or state.last_seen_at + _micros(policy.stale_after) > now:
        return state, None
    return replace(state, is_stale=True), _noticed(EventKind.WENT_STALE, state, open_start, now)


def _reported(kind: EventKind, report: Report, start: int, *, end: int | None = None) -> Change:
    return Change(
        kind=kind,
        start=start,
        end=end,
        received_at=report.received_at.micros,
        sender=report.sender,
        annotations_json=report.annotations_json,
        generator_url=report.generator_url,
        traceparent=report.traceparent,
    )


def _noticed(kind: EventKind, state: AlertState, start: int, now: int, *, end: int | None = None) -> Change:
    return Change(
        kind=kind,
        start=start,
        end=end,
        received_at=now,
        sender="",
        annotations_json=state.annotations_json,
        generator_url=state.generator_url,
    )


def _with_content(state: AlertState, report: Report) -> AlertState:
    return replace(state, annotations_json=report.annotations_json, generator_url=report.generator_url)


def _open_start(state: AlertState) -> int | None:
    return state.start if state.is_firing else None


def _is_past(state: AlertState, start: int) -> bool:
    return state.closed_through is not None and start <= state.closed_through


def _hold_of(state: AlertState, sender: str) -> Hold | None:
    return next((hold for hold in state.holds if hold.sender == sender), None)


def _other_holds(state: AlertState, sender: str) -> tuple[Hold, ...]:
    return tuple(hold for hold in state.holds if hold.sender != sender)


def _held_leases(state: AlertState) -> list[int | None]:
    return [hold.lease_expires_at for hold in state.holds]


def _lease(report: Report) -> int | None:
    return None if report.lease_expires_at is None else report.lease_expires_at.micros


def _shared_lease(leases: Iterable[int | None]) -> int | None:
    # One firing without a lease is enough: its sender did not promise to repeat it.
    longest: int | None = None
    for lease in leases:
        if lease is None:
            return None
        longest = _latest(longest, lease)
    return longest


def _latest(known: int | None, *others: int) -> int:
    return max(others) if known is None else max(known, *others)


def _micros(window: timedelta) -> int:
    return window // timedelta(microseconds=1)
