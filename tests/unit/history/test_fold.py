"""The rules of the effective state, one example each; times are microseconds and the windows are tiny."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from alerthistory_common.alerts import ZERO_TIME, EventKind, Instant, Report
from alerthistory_history.domain.fold import fold, settle
from alerthistory_history.domain.state import AlertState, Change, Decision, Outcome, Policy
from tests.builders import report

POLICY = Policy(
    hold_window=timedelta(microseconds=30),
    lease_grace=timedelta(microseconds=60),
    stale_after=timedelta(microseconds=1000),
)
OLD, NEW = b'{"summary":"old"}', b'{"summary":"new"}'
FAR_FUTURE = 10**15


def firing(start: int = 100, *, at: int = 110, lease: int | None = None, **overrides: Any) -> Report:
    """Return a firing report received *at*."""
    leased_until = None if lease is None else Instant(lease)
    return report(starts_at=Instant(start), received_at=Instant(at), lease_expires_at=leased_until, **overrides)


def resolved(start: int = 100, ends: int | None = 200, *, at: int = 210, **overrides: Any) -> Report:
    """Return a resolved report received *at*."""
    ends_at = None if ends is None else Instant(ends)
    return report(is_firing=False, starts_at=Instant(start), ends_at=ends_at, received_at=Instant(at), **overrides)


def folded(state: AlertState, told: Report, *, newest_received_at: int | None = None) -> Outcome:
    return fold(state, told, newest_received_at=newest_received_at, policy=POLICY)


def after(*reports: Report) -> AlertState:
    """Return the state of a new alert after *reports*, without time passing in between."""
    state = AlertState()
    for told in reports:
        state = folded(state, told).state
    return state


def settled(state: AlertState, now: int) -> tuple[AlertState, tuple[Change, ...]]:
    return settle(state, now, policy=POLICY)


def kinds(changes: tuple[Change, ...]) -> list[EventKind]:
    return [change.kind for change in changes]


def closed() -> AlertState:
    """Return an alert that fired at 100 and was resolved at 200."""
    return after(firing(100, at=110), resolved(100, 200, at=210))


def held(*, start: int = 100, at: int = 220, lease: int | None = None, **overrides: Any) -> AlertState:
    """Return a closed alert with one held firing, due 30 after *at*."""
    return folded(closed(), firing(start, at=at, lease=lease, **overrides)).state


def held_by(count: int) -> AlertState:
    """Return a closed alert with held firings of *count* senders, named webhook:0 and so on."""
    state = closed()
    for number in range(count):
        state = folded(state, firing(at=220 + number, sender=f"webhook:{number}")).state
    return state


class TestEveryReport:
    """What holds for every report: superseding, sightings, counters."""

    def test_report_older_than_the_newest_of_its_occurrence_changes_nothing(self) -> None:
        state = closed()
        outcome = folded(state, firing(100, at=110), newest_received_at=111)
        assert outcome == Outcome(state=state, decision=Decision.SUPERSEDED, change=None)

    def test_superseded_resolve_leaves_the_alert_firing(self) -> None:
        state = after(firing(100, at=300))
        outcome = folded(state, resolved(100, 200, at=210), newest_received_at=300)
        assert outcome == Outcome(state=state, decision=Decision.SUPERSEDED, change=None)

    def test_report_as_old_as_the_newest_of_its_occurrence_counts(self) -> None:
        outcome = folded(after(firing()), resolved(at=210), newest_received_at=210)
        assert outcome.decision is Decision.RESOLVED

    def test_report_older_than_another_occurrence_counts(self) -> None:
        outcome = folded(after(firing(100, at=300)), firing(90, at=110), newest_received_at=None)
        assert outcome.decision is Decision.START_MOVED

    def test_first_report_sets_last_seen(self) -> None:
        assert after(firing(at=110)).last_seen_at == 110

    def test_newer_report_moves_last_seen_forward(self) -> None:
        assert after(firing(at=110), firing(at=120)).last_seen_at == 120

    def test_older_report_does_not_move_last_seen_back(self) -> None:
        assert after(firing(100, at=110), firing(90, at=105)).last_seen_at == 110

    @pytest.mark.parametrize(
        ("state", "told"),
        [
            (AlertState(), firing()),
            (after(firing()), firing()),
            (after(firing()), resolved()),
            (after(firing(300, at=310)), resolved(100, 200)),
            (closed(), resolved()),
            (closed(), firing()),
            (held(), resolved()),
        ],
        ids=["fired", "repeated", "resolved", "late", "duplicate", "held", "cancelled"],
    )
    def test_every_report_that_counts_is_counted_as_seen(self, state: AlertState, told: Report) -> None:
        seen = folded(state, replace(told, received_at=Instant(999))).state
        assert (seen.times_seen, seen.last_seen_at) == (state.times_seen + 1, 999)

    def test_only_opened_episodes_count_as_fired(self) -> None:
        state = after(firing(), firing(90), firing(annotations_json=NEW), resolved(), resolved(), firing())
        assert state.times_fired == 1

    def test_a_second_episode_counts_as_fired(self) -> None:
        assert after(firing(), resolved(), firing(300, at=310)).times_fired == 2


class TestFiringWhileFiring:
    """A firing joins the open episode."""

    def test_repeated_firing_is_no_change(self) -> None:
        state = after(firing())
        outcome = folded(state, firing(at=120))
        assert (outcome.decision, outcome.change) == (Decision.REPEATED, None)

    def test_later_start_does_not_move_the_episode(self) -> None:
        outcome = folded(after(firing(100)), firing(101, at=120))
        assert (outcome.decision, outcome.state.start) == (Decision.REPEATED, 100)

    def test_earlier_start_moves_the_episode_back(self) -> None:
        outcome = folded(after(firing(100)), firing(99, at=120))
        assert (outcome.decision, outcome.state.start) == (Decision.START_MOVED, 99)
        assert outcome.change is not None
        assert (outcome.change.kind, outcome.change.start) == (EventKind.START_MOVED, 99)

    def test_earlier_start_outranks_other_annotations(self) -> None:
        outcome = folded(after(firing(100, annotations_json=OLD)), firing(99, annotations_json=NEW))
        assert outcome.decision is Decision.START_MOVED
        assert outcome.state.annotations_json == NEW

    def test_start_moves_back_as_far_as_just_after_the_closed_past(self) -> None:
        state = folded(closed(), firing(300, at=310)).state
        outcome = folded(state, firing(201, at=320))
        assert (outcome.decision, outcome.state.start) == (Decision.START_MOVED, 201)

    def test_late_copy_of_a_closed_episode_does_not_move_the_newer_one_back(self) -> None:
        state = folded(closed(), firing(300, at=310)).state
        outcome = folded(state, firing(200, at=320, sender="webhook:b"))
        assert (outcome.decision, outcome.state.start) == (Decision.REPEATED, 300)

    def test_late_copies_of_a_peer_keep_the_newer_episode_open(self) -> None:
        state = folded(closed(), firing(300, at=310)).state
        state = folded(state, firing(100, at=320, sender="webhook:b")).state
        outcome = folded(state, resolved(100, 201, at=321, sender="webhook:b"))
        assert (outcome.decision, outcome.state.is_firing) == (Decision.LATE_RESOLVE, True)

    def test_start_of_a_refired_episode_moves_back_within_the_closed_past(self) -> None:
        state, _ = settled(held(start=150), 250)
        assert folded(state, firing(140, at=260)).state.start == 140

    def test_start_of_an_episode_refired_at_the_edge_of_the_closed_past_moves_back(self) -> None:
        state, _ = settled(held(start=200), 250)
        assert folded(state, firing(140, at=260)).state.start == 140

    def test_other_annotations_are_a_change(self) -> None:
        outcome = folded(after(firing(annotations_json=OLD)), firing(at=120, annotations_json=NEW))
        assert outcome.decision is Decision.ANNOTATIONS_CHANGED
        assert outcome.state.annotations_json == NEW
        assert outcome.change == Change(
            kind=EventKind.ANNOTATIONS_CHANGED,
            start=100,
            end=None,
            received_at=120,
            sender="webhook:a",
            annotations_json=NEW,
            generator_url=None,
        )

    def test_generator_url_is_kept_but_its_change_is_none(self) -> None:
        outcome = folded(after(firing()), firing(generator_url="http://prometheus-b"))
        assert outcome.decision is Decision.REPEATED
        assert outcome.state.generator_url == "http://prometheus-b"

    def test_repeated_firing_clears_the_stale_mark(self) -> None:
        state = replace(after(firing()), is_stale=True)
        assert not folded(state, firing()).state.is_stale


class TestFiringWhileClosed:
    """A firing of a start that is not known to be closed opens an episode."""

    def test_unknown_alert_fires_at_once(self) -> None:
        told = firing(
            100,
            at=110,
            annotations_json=NEW,
            generator_url="http://prometheus-a",
            traceparent="00-trace",
        )
        outcome = folded(AlertState(), told)
        assert outcome.decision is Decision.FIRED
        assert outcome.state == AlertState(
            is_firing=True,
            start=100,
            annotations_json=NEW,
            generator_url="http://prometheus-a",
            last_seen_at=110,
            times_seen=1,
            times_fired=1,
        )
        assert outcome.change == Change(
            kind=EventKind.FIRED,
            start=100,
            end=None,
            received_at=110,
            sender="webhook:a",
            annotations_json=NEW,
            generator_url="http://prometheus-a",
            traceparent="00-trace",
        )

    def test_start_in_the_future_fires_at_once(self) -> None:
        assert folded(closed(), firing(FAR_FUTURE, at=220)).decision is Decision.FIRED

    def test_start_after_the_closed_past_fires_at_once(self) -> None:
        assert folded(closed(), firing(201, at=220)).decision is Decision.FIRED

    def test_start_at_the_end_of_the_closed_past_is_held(self) -> None:
        assert folded(closed(), firing(200, at=220)).decision is Decision.HELD

    def test_firing_keeps_what_is_known_to_be_closed(self) -> None:
        state = folded(closed(), firing(300, at=310)).state
        assert (state.closed_through, state.last_resolve) == (200, (100, 200))

    def test_newer_episode_fires_at_once_and_drops_the_holds(self) -> None:
        outcome = folded(held(), firing(300, at=310, sender="webhook:b"))
        assert (outcome.decision, outcome.state.holds) == (Decision.FIRED, ())

    def test_firing_is_not_stale(self) -> None:
        assert not folded(replace(closed(), is_stale=True), firing(300)).state.is_stale

    def test_peer_copy_after_the_resolve_is_not_published(self) -> None:
        outcome = folded(closed(), firing(100, at=220, sender="webhook:b"))
        assert (outcome.change, outcome.state.is_firing) == (None, False)


class TestHeldFirings:
    """A firing of a start in the closed past waits, one hold per sender."""

    def test_held_firing_is_due_after_the_hold_window(self) -> None:
        (hold,) = held(at=220).holds
        assert (hold.sender, hold.start, hold.due_at, hold.received_at) == ("webhook:a", 100, 250, 220)

    def test_hold_window_is_thirty_seconds_by_default(self) -> None:
        outcome = fold(closed(), firing(at=220), newest_received_at=None, policy=Policy())
        assert outcome.state.holds[0].due_at == 30_000_220

    def test_held_firing_leaves_the_current_content(self) -> None:
        state = after(firing(annotations_json=OLD), resolved(annotations_json=OLD))
        outcome = folded(state, firing(at=220, annotations_json=NEW))
        assert (outcome.state.annotations_json, outcome.state.start) == (OLD, 100)

    def test_repeated_held_firing_keeps_its_due_time(self) -> None:
        outcome = folded(held(at=220), firing(at=240))
        assert outcome.decision is Decision.HELD
        assert [hold.due_at for hold in outcome.state.holds] == [250]

    @pytest.mark.parametrize(("first", "second"), [(100, 90), (90, 100)])
    def test_repeated_held_firing_keeps_the_earlier_start(self, first: int, second: int) -> None:
        state = folded(held(start=first), firing(second, at=240)).state
        assert state.holds[0].start == 90

    def test_repeated_held_firing_brings_its_content(self) -> None:
        told = firing(at=240, annotations_json=NEW, generator_url="http://new", traceparent="00-new")
        (hold,) = folded(held(annotations_json=OLD), told).state.holds
        assert (hold.annotations_json, hold.generator_url) == (NEW, "http://new")
        assert (hold.received_at, hold.traceparent) == (240, "00-new")

    @pytest.mark.parametrize(("first", "second"), [(400, 500), (500, 400)])
    def test_repeated_held_firing_keeps_the_longer_lease(self, first: int, second: int) -> None:
        state = folded(held(lease=first), firing(at=240, lease=second)).state
        assert state.holds[0].lease_expires_at == 500

    @pytest.mark.parametrize(("first", "second"), [(400, None), (None, 400)])
    def test_held_firing_that_was_once_unleased_stays_so(self, first: int | None, second: int | None) -> None:
        state = folded(held(lease=first), firing(at=240, lease=second)).state
        assert state.holds[0].lease_expires_at is None

    def test_senders_are_held_apart_and_in_order(self) -> None:
        state = folded(held(sender="webhook:b"), firing(at=230, sender="webhook:a")).state
        assert [(hold.sender, hold.due_at) for hold in state.holds] == [
            ("webhook:a", 260),
            ("webhook:b", 250),
        ]

    def test_eighth_sender_is_held(self) -> None:
        outcome = folded(held_by(7), firing(at=230, sender="webhook:7"))
        assert (outcome.decision, len(outcome.state.holds)) == (Decision.HELD, 8)

    def test_ninth_sender_fires_at_once(self) -> None:
        outcome = folded(held_by(8), firing(150, at=230, sender="webhook:8", annotations_json=NEW))
        assert outcome.decision is Decision.REFIRED
        assert (outcome.state.is_firing, outcome.state.start, outcome.state.holds) == (True, 150, ())
        assert outcome.change is not None
        assert (outcome.change.kind, outcome.change.sender) == (EventKind.REFIRED, "webhook:8")
        assert (outcome.state.annotations_json, outcome.state.times_fired) == (NEW, 2)

    def test_one_of_eight_held_senders_may_repeat_itself(self) -> None:
        outcome = folded(held_by(8), firing(at=230, sender="webhook:3"))
        assert (outcome.decision, len(outcome.state.holds)) == (Decision.HELD, 8)


class TestHoldsFallingDue:
    """A hold that nobody cancelled is a re-fire."""

    def test_hold_does_not_fire_before_it_is_due(self) -> None:
        state = held(at=220)
        assert settled(state, 249) == (state, ())

    def test_hold_fires_when_it_is_due(self) -> None:
        state, changes = settled(
            held(
                at=220,
                annotations_json=NEW,
                generator_url="http://prometheus-a",
                traceparent="00-trace",
            ),
            250,
        )
        assert changes == (
            Change(
                kind=EventKind.REFIRED,
                start=100,
                end=None,
                received_at=220,
                sender="webhook:a",
                annotations_json=NEW,
                generator_url="http://prometheus-a",
                traceparent="00-trace",
            ),
        )
        assert (state.is_firing, state.start, state.holds) == (True, 100, ())
        assert (state.annotations_json, state.generator_url) == (NEW, "http://prometheus-a")
        assert state.times_fired == 2

    def test_refire_keeps_what_is_known_to_be_closed(self) -> None:
        state, _ = settled(held(), 250)
        assert (state.closed_through, state.last_resolve) == (200, (100, 200))

    def test_time_passing_is_not_a_sighting(self) -> None:
        state, _ = settled(held(at=220), 250)
        assert (state.last_seen_at, state.times_seen) == (220, 3)

    def test_earliest_held_start_wins(self) -> None:
        state = folded(held(start=100), firing(90, at=230, sender="webhook:b")).state
        state, (change,) = settled(state, 250)
        assert (state.start, change.start) == (90, 90)

    def test_first_due_hold_names_sender_and_annotations(self) -> None:
        state = held(at=220, sender="webhook:b", annotations_json=NEW)
        state = folded(state, firing(at=230, sender="webhook:a", annotations_json=OLD)).state
        state, (change,) = settled(state, 300)
        assert (change.sender, change.received_at, change.annotations_json) == ("webhook:b", 220, NEW)
        assert state.annotations_json == NEW

    def test_of_holds_due_together_the_first_sender_speaks(self) -> None:
        state = folded(held(sender="webhook:b"), firing(at=220, sender="webhook:a")).state
        _, (change,) = settled(state, 250)
        assert change.sender == "webhook:a"

    def test_one_due_hold_drops_those_that_are_not_due(self) -> None:
        state = folded(held(at=220), firing(at=240, sender="webhook:b")).state
        state, changes = settled(state, 250)
        assert (state.holds, kinds(changes)) == ((), [EventKind.REFIRED])

    def test_hold_that_fires_late_may_be_stale_already(self) -> None:
        state, changes = settled(held(at=220), 1220)
        assert kinds(changes) == [EventKind.REFIRED, EventKind.WENT_STALE]
        assert (state.is_firing, state.is_stale) == (True, True)

    def test_hold_whose_lease_is_over_fires_and_expires(self) -> None:
        state, changes = settled(held(at=220, lease=230), 290)
        assert kinds(changes) == [EventKind.REFIRED, EventKind.EXPIRED]
        assert (state.is_firing, state.closed_through, state.times_fired) == (False, 290, 2)


class TestResolveWhileFiring:
    """A resolve closes the episode whose start it covers, once."""

    def test_resolve_closes_the_episode(self) -> None:
        told = resolved(100, 200, at=210, annotations_json=NEW, generator_url="http://b", traceparent="00-t")
        outcome = folded(after(firing(annotations_json=OLD)), told)
        assert outcome.decision is Decision.RESOLVED
        assert outcome.change == Change(
            kind=EventKind.RESOLVED,
            start=100,
            end=200,
            received_at=210,
            sender="webhook:a",
            annotations_json=NEW,
            generator_url="http://b",
            traceparent="00-t",
        )
        assert outcome.state == AlertState(
            start=100,
            closed_through=200,
            last_resolve=(100, 200),
            annotations_json=NEW,
            generator_url="http://b",
            last_seen_at=210,
            times_seen=2,
            times_fired=1,
        )

    def test_resolve_takes_lease_and_stale_mark_away(self) -> None:
        state = replace(after(firing(lease=400)), is_stale=True)
        state = folded(state, resolved()).state
        assert (state.lease_expires_at, state.is_stale) == (None, False)

    def test_resolve_from_another_sender_closes(self) -> None:
        outcome = folded(after(firing(sender="webhook:a")), resolved(sender="webhook:b"))
        assert outcome.decision is Decision.RESOLVED

    def test_resolve_that_ends_at_the_open_start_closes(self) -> None:
        assert folded(after(firing(300, at=310)), resolved(100, 300, at=320)).decision is Decision.RESOLVED

    def test_late_resolve_keeps_the_newer_episode_open(self) -> None:
        state = after(firing(300, at=310))
        outcome = folded(state, resolved(100, 299, at=320, annotations_json=NEW))
        assert (outcome.decision, outcome.change) == (Decision.LATE_RESOLVE, None)
        assert outcome.state == replace(state, last_seen_at=320, times_seen=2)

    def test_resolve_of_the_open_start_closes_whatever_its_end_is(self) -> None:
        outcome = folded(after(firing(300, at=250)), resolved(300, 310, at=260))
        assert outcome.decision is Decision.RESOLVED
        assert outcome.change is not None
        assert outcome.change.end == 260

    def test_resolve_with_a_later_start_closes(self) -> None:
        outcome = folded(after(firing(100)), resolved(150, 200))
        assert outcome.decision is Decision.RESOLVED
        assert outcome.change is not None
        assert (outcome.change.start, outcome.state.last_resolve) == (100, (150, 200))

    def test_exact_repeat_after_a_new_episode_is_a_duplicate(self) -> None:
        state = folded(closed(), firing(300, at=310)).state
        outcome = folded(state, resolved(100, 200, at=320))
        assert (outcome.decision, outcome.state.is_firing) == (Decision.DUPLICATE, True)

    def test_exact_repeat_after_a_refire_is_a_duplicate(self) -> None:
        state, _ = settled(held(), 250)
        outcome = folded(state, resolved(100, 200, at=260, annotations_json=NEW))
        assert (outcome.decision, outcome.change) == (Decision.DUPLICATE, None)
        assert outcome.state == replace(state, last_seen_at=260, times_seen=4)

    def test_resolve_with_another_end_closes_a_refired_episode(self) -> None:
        state, _ = settled(held(), 250)
        assert folded(state, resolved(100, 201, at=260)).decision is Decision.RESOLVED

    def test_resolve_with_another_start_closes_a_refired_episode(self) -> None:
        state, _ = settled(held(), 250)
        assert folded(state, resolved(99, 200, at=260)).decision is Decision.RESOLVED

    @pytest.mark.parametrize("ends", [None, ZERO_TIME.micros, 99], ids=["none", "zero", "before start"])
    def test_second_resolve_without_a_usable_end_closes_a_refired_episode(self, ends: int | None) -> None:
        state = after(firing(100), resolved(100, ends, at=210), firing(100, at=220))
        state, _ = settled(state, 250)
        assert folded(state, resolved(100, ends, at=260)).decision is Decision.RESOLVED

    def test_end_at_the_start_is_usable(self) -> None:
        state = after(firing(100), resolved(100, 100, at=210), firing(100, at=220))
        state, _ = settled(state, 250)
        assert folded(state, resolved(100, 100, at=260)).decision is Decision.DUPLICATE


class TestEndOfAResolve:
    """Wrong clocks cannot mute an alert."""

    @pytest.mark.parametrize(
        ("ends", "end"),
        [
            (None, 210),
            (ZERO_TIME.micros, 210),
            (99, 210),
            (100, 100),
            (209, 209),
            (210, 210),
            (211, 210),
            (FAR_FUTURE, 210),
        ],
    )
    def test_end_is_what_was_said_but_never_after_it_was_said(self, ends: int | None, end: int) -> None:
        outcome = folded(after(firing(100)), resolved(100, ends, at=210))
        assert outcome.change is not None
        assert outcome.change.end == end

    def test_far_future_end_does_not_mute_the_next_episode(self) -> None:
        state = after(firing(100), resolved(100, FAR_FUTURE, at=210))
        assert folded(state, firing(211, at=220)).decision is Decision.FIRED

    def test_last_resolve_remembers_the_end_as_it_was_said(self) -> None:
        state = after(firing(100), resolved(100, FAR_FUTURE, at=210))
        assert state.last_resolve == (100, FAR_FUTURE)

    def test_zero_time_is_remembered_as_missing(self) -> None:
        assert after(firing(100), resolved(100, ZERO_TIME.micros)).last_resolve == (100, None)

    def test_resolve_without_end_is_judged_by_when_it_was_received(self) -> None:
        state = after(firing(300, at=310))
        assert folded(state, resolved(100, None, at=299)).decision is Decision.LATE_RESOLVE
        assert folded(state, resolved(100, None, at=300)).decision is Decision.RESOLVED

    def test_fast_clock_cannot_make_a_resolve_reach_a_newer_episode(self) -> None:
        outcome = folded(after(firing(300, at=310)), resolved(100, FAR_FUTURE, at=299))
        assert outcome.decision is Decision.LATE_RESOLVE


class TestClosedThrough:
    """How far the past is known to be closed."""

    def test_closing_keeps_what_was_closed_further(self) -> None:
        state = replace(after(firing(100)), closed_through=500)
        assert folded(state, resolved(100, 200)).state.closed_through == 500

    def test_closing_reaches_the_open_start_when_it_lies_in_the_future(self) -> None:
        state = after(firing(500, at=110), resolved(500, 600, at=210))
        assert state.closed_through == 500

    def test_closing_reaches_a_resolve_start_in_the_future(self) -> None:
        state = after(firing(100), resolved(500, 600, at=210))
        assert state.closed_through == 500

    def test_resolve_of_an_unknown_alert_closes_through_its_end(self) -> None:
        assert after(resolved(100, 200)).closed_through == 200

    def test_resolve_of_an_unknown_alert_does_not_close_a_future_start(self) -> None:
        assert after(resolved(500, 600, at=210)).closed_through == 210


class TestResolveWhileClosed:
    """A resolve of nothing open is only remembered."""

    def test_resolve_of_an_unknown_alert_is_not_open(self) -> None:
        outcome = folded(AlertState(), resolved())
        assert (outcome.decision, outcome.change) == (Decision.NOT_OPEN, None)
        assert (outcome.state.is_firing, outcome.state.last_resolve) == (False, None)

    def test_firing_that_arrives_after_its_resolve_is_held(self) -> None:
        assert folded(after(resolved(100, 200)), firing(100, at=220)).decision is Decision.HELD

    def test_later_end_closes_further(self) -> None:
        outcome = folded(closed(), resolved(100, 205, at=220))
        assert (outcome.decision, outcome.state.closed_through) == (Decision.NOT_OPEN, 205)

    def test_earlier_end_does_not_reopen_the_past(self) -> None:
        assert folded(closed(), resolved(100, 150, at=220)).state.closed_through == 200

    def test_exact_repeat_is_a_duplicate(self) -> None:
        outcome = folded(closed(), resolved(100, 200, at=220))
        assert (outcome.decision, outcome.change) == (Decision.DUPLICATE, None)
        assert outcome.state == replace(closed(), last_seen_at=220, times_seen=3)

    def test_duplicate_handed_over_later_still_closes_further(self) -> None:
        state = after(firing(100), resolved(100, 900, at=210))
        outcome = folded(state, resolved(100, 900, at=300))
        assert (outcome.decision, outcome.state.closed_through) == (Decision.DUPLICATE, 300)

    def test_repeat_without_a_usable_end_is_not_open(self) -> None:
        state = after(firing(100), resolved(100, None, at=210))
        assert folded(state, resolved(100, None, at=220)).decision is Decision.NOT_OPEN

    def test_resolve_while_closed_leaves_content_and_last_resolve(self) -> None:
        state = folded(closed(), resolved(100, 205, at=220, annotations_json=NEW)).state
        assert (state.annotations_json, state.last_resolve) == (b"{}", (100, 200))


class TestCancellingAHold:
    """A sender takes back its own held firing."""

    def test_late_copies_of_a_peer_cancel_each_other(self) -> None:
        outcome = folded(held(sender="webhook:b"), resolved(100, 200, at=230, sender="webhook:b"))
        assert (outcome.decision, outcome.change) == (Decision.HOLD_CANCELLED, None)
        assert settled(outcome.state, 1000) == (outcome.state, ())

    def test_resolve_of_another_sender_leaves_the_hold(self) -> None:
        outcome = folded(held(sender="webhook:b"), resolved(100, 200, at=230, sender="webhook:a"))
        assert outcome.decision is Decision.DUPLICATE
        assert [hold.sender for hold in outcome.state.holds] == ["webhook:b"]

    def test_cancelling_leaves_the_holds_of_other_senders(self) -> None:
        state = folded(held(sender="webhook:a"), firing(at=225, sender="webhook:b")).state
        outcome = folded(state, resolved(100, 200, at=230, sender="webhook:a"))
        assert outcome.decision is Decision.HOLD_CANCELLED
        assert [hold.sender for hold in outcome.state.holds] == ["webhook:b"]

    def test_resolve_that_ends_before_the_held_start_leaves_the_hold(self) -> None:
        outcome = folded(held(start=150), resolved(100, 149, at=230))
        assert (outcome.decision, len(outcome.state.holds)) == (Decision.NOT_OPEN, 1)

    def test_resolve_that_ends_at_the_held_start_cancels(self) -> None:
        outcome = folded(held(start=150), resolved(100, 150, at=230))
        assert (outcome.decision, outcome.state.holds) == (Decision.HOLD_CANCELLED, ())

    def test_resolve_of_the_held_start_cancels_whatever_its_end_is(self) -> None:
        state = after(firing(500, at=110), resolved(500, 600, at=210), firing(500, at=220))
        assert folded(state, resolved(500, 600, at=230)).decision is Decision.HOLD_CANCELLED

    def test_cancelling_closes_through_the_end(self) -> None:
        assert folded(held(), resolved(100, 225, at=230)).state.closed_through == 225

    def test_cancelling_closes_through_the_start_of_the_resolve(self) -> None:
        assert folded(held(), resolved(500, 600, at=230)).state.closed_through == 500

    def test_cancelling_does_not_reopen_the_past(self) -> None:
        assert folded(held(), resolved(100, 150, at=230)).state.closed_through == 200

    def test_cancelling_is_not_an_applied_resolve(self) -> None:
        state = folded(held(), resolved(100, 225, at=230, annotations_json=NEW)).state
        assert (state.last_resolve, state.annotations_json) == ((100, 200), b"{}")


class TestLeases:
    """Until when an episode is asserted."""

    def test_leased_firing_opens_a_leased_episode(self) -> None:
        assert after(firing(lease=400)).lease_expires_at == 400

    @pytest.mark.parametrize(("first", "second"), [(400, 500), (500, 400)])
    def test_largest_lease_counts(self, first: int, second: int) -> None:
        assert after(firing(lease=first), firing(lease=second)).lease_expires_at == 500

    def test_firing_without_a_lease_makes_the_episode_unleased(self) -> None:
        assert after(firing(lease=400), firing()).lease_expires_at is None

    def test_unleased_episode_stays_unleased(self) -> None:
        assert after(firing(), firing(lease=400)).lease_expires_at is None

    def test_leased_episode_that_became_unleased_stays_so(self) -> None:
        assert after(firing(lease=400), firing(), firing(lease=500)).lease_expires_at is None

    def test_moved_start_updates_the_lease(self) -> None:
        assert after(firing(100, lease=400), firing(90, lease=500)).lease_expires_at == 500

    def test_next_episode_has_its_own_lease(self) -> None:
        assert after(firing(), resolved(), firing(300, lease=400)).lease_expires_at == 400

    def test_unleased_hold_that_is_dropped_makes_the_new_episode_unleased(self) -> None:
        fired = folded(held(), firing(300, at=310, lease=400, sender="webhook:b")).state
        by_ninth_sender = folded(held_by(8), firing(at=230, lease=400, sender="webhook:8")).state
        assert (fired.lease_expires_at, by_ninth_sender.lease_expires_at) == (None, None)

    def test_leased_hold_that_is_dropped_lengthens_the_lease_of_the_new_episode(self) -> None:
        state = folded(held(lease=500), firing(300, at=310, lease=400, sender="webhook:b")).state
        assert state.lease_expires_at == 500

    def test_refired_episode_is_leased_until_the_largest_lease_of_its_holds(self) -> None:
        state = folded(held(lease=500), firing(at=230, lease=400, sender="webhook:b")).state
        assert settled(state, 250)[0].lease_expires_at == 500

    def test_one_unleased_hold_makes_the_refired_episode_unleased(self) -> None:
        state = folded(held(lease=500), firing(at=230, sender="webhook:b")).state
        assert settled(state, 250)[0].lease_expires_at is None


class TestExpiry:
    """A leased episode that nobody asserts any more ends."""

    def test_leased_episode_lives_through_the_grace(self) -> None:
        state = after(firing(lease=400))
        assert settled(state, 459) == (state, ())

    def test_leased_episode_expires_after_the_grace(self) -> None:
        state = after(firing(lease=400, annotations_json=NEW, generator_url="http://prometheus-a"))
        expired, changes = settled(state, 460)
        assert expired == replace(state, is_firing=False, closed_through=460, lease_expires_at=None)
        assert changes == (
            Change(
                kind=EventKind.EXPIRED,
                start=100,
                end=460,
                received_at=460,
                sender="",
                annotations_json=NEW,
                generator_url="http://prometheus-a",
            ),
        )

    def test_grace_is_one_minute_by_default(self) -> None:
        state = after(firing(lease=400))
        assert settle(state, 60_000_399, policy=Policy())[1] == ()
        assert kinds(settle(state, 60_000_400, policy=Policy())[1]) == [EventKind.EXPIRED]

    def test_expiry_reaches_a_start_in_the_future(self) -> None:
        state, _ = settled(after(firing(500, lease=400)), 460)
        assert state.closed_through == 500

    def test_expiry_keeps_what_was_closed_further(self) -> None:
        state, _ = settled(replace(after(firing(lease=400)), closed_through=900), 460)
        assert state.closed_through == 900

    def test_expiry_is_not_an_applied_resolve(self) -> None:
        state, _ = settled(folded(closed(), firing(300, lease=400)).state, 460)
        assert state.last_resolve == (100, 200)

    def test_expiry_takes_the_stale_mark_away(self) -> None:
        state, _ = settled(replace(after(firing(lease=400)), is_stale=True), 460)
        assert not state.is_stale

    def test_expired_episode_does_not_expire_again(self) -> None:
        state, _ = settled(after(firing(lease=400)), 460)
        assert settled(state, 10_000) == (state, ())

    def test_unleased_episode_never_expires(self) -> None:
        state, changes = settled(after(firing()), FAR_FUTURE)
        assert state.is_firing
        assert EventKind.EXPIRED not in kinds(changes)

    def test_firing_with_the_start_of_an_expired_episode_is_held(self) -> None:
        state, _ = settled(after(firing(100, lease=400)), 460)
        assert folded(state, firing(100, at=470, lease=600)).decision is Decision.HELD


class TestStaleness:
    """An unleased episode that nobody mentions any more is marked."""

    def test_silent_episode_is_not_stale_within_the_window(self) -> None:
        state = after(firing(at=110))
        assert settled(state, 1109) == (state, ())

    def test_silent_episode_goes_stale_and_stays_firing(self) -> None:
        state = after(firing(at=110, annotations_json=NEW, generator_url="http://prometheus-a"))
        stale, changes = settled(state, 1110)
        assert stale == replace(state, is_stale=True)
        assert changes == (
            Change(
                kind=EventKind.WENT_STALE,
                start=100,
                end=None,
                received_at=1110,
                sender="",
                annotations_json=NEW,
                generator_url="http://prometheus-a",
            ),
        )

    def test_stale_window_is_eight_hours_and_five_minutes_by_default(self) -> None:
        state, window = after(firing(at=110)), (8 * 60 + 5) * 60 * 1_000_000
        assert settle(state, 109 + window, policy=Policy())[1] == ()
        assert kinds(settle(state, 110 + window, policy=Policy())[1]) == [EventKind.WENT_STALE]

    def test_stale_episode_is_marked_once(self) -> None:
        state, _ = settled(after(firing(at=110)), 1110)
        assert settled(state, 5000) == (state, ())

    def test_episode_may_go_stale_again(self) -> None:
        state, _ = settled(after(firing(at=110)), 1110)
        _, changes = settled(folded(state, firing(at=1200)).state, 2200)
        assert kinds(changes) == [EventKind.WENT_STALE]

    def test_late_resolve_counts_as_a_sighting(self) -> None:
        state = after(firing(300, at=310), resolved(100, 200, at=500))
        assert settled(state, 1499)[1] == ()

    def test_leased_episode_does_not_go_stale(self) -> None:
        state = after(firing(at=110, lease=5000))
        assert settled(state, 2000) == (state, ())


class TestNothingDue:
    """Time alone changes nothing else."""

    @pytest.mark.parametrize("state", [AlertState(), closed()], ids=["unknown", "closed"])
    def test_alert_that_is_not_firing_stays_as_it_is(self, state: AlertState) -> None:
        assert settled(state, FAR_FUTURE) == (state, ())

    def test_settling_twice_at_one_moment_changes_nothing_more(self) -> None:
        state, _ = settled(held(lease=230), 290)
        assert settled(state, 290) == (state, ())
