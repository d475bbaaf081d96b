"""Fold and settle agree with an independent model, and keep their promises, whatever senders do.

Hypothesis plays several senders that repeat themselves, arrive twice, late and out of order, and run on wrong
clocks. After every step the implementation is compared with ``effective_state_model``, and held to promises
that are stated here without it. The mutants show that each promise, and the comparison, notices a break.
"""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from alerthistory_common.alerts import ZERO_TIME, EventKind, Fingerprint, Instant, Report
from alerthistory_history.domain.fold import fold, settle
from alerthistory_history.domain.state import AlertState, Change, Decision, Outcome, Policy
from tests.unit.history import fold_mutants as mutants
from tests.unit.history.effective_state_model import EffectiveStateModel, Seen
from tests.unit.history.fold_mutants import Fold, Settle

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAWN = 1_700_000_040 * SECOND
FAR_FUTURE = 4_102_444_800 * SECOND
POLICY = Policy(
    hold_window=timedelta(seconds=30),
    lease_grace=timedelta(minutes=1),
    stale_after=timedelta(minutes=10),
    max_holds=2,
)
HOLD_WINDOW = 30 * SECOND

OPENING = frozenset({EventKind.FIRED, EventKind.REFIRED})
CLOSING = frozenset({EventKind.RESOLVED, EventKind.EXPIRED})

WEBHOOKS = ("am-0", "am-1", "am-2")
LEASERS = ("prom-0", "prom-1")

casts = st.sampled_from([WEBHOOKS, LEASERS, WEBHOOKS + LEASERS])
whos = st.integers(0, 4)
leases = st.sampled_from([10 * SECOND, 4 * MINUTE])
annotations = st.sampled_from([b"{}", b'{"summary":"x"}'])
start_minutes = st.sampled_from([0, 0, 0, -1, -2, 1, 5])
lags = st.sampled_from([0, 0, 0, 1, 40]).map(lambda seconds: seconds * SECOND)
nanos = st.sampled_from([0, 999])


@dataclass(frozen=True, slots=True)
class End:
    """How a sender chose the ``ends_at`` of a resolve: fixed, or a distance from its start or its sending."""

    after_start: int | None = None
    after_sending: int | None = None
    fixed: Instant | None = None

    def of(self, start: int, now: int) -> Instant | None:
        """Return the ``ends_at`` for a resolve of *start* that is sent at *now*; None when it is missing."""
        if self.after_start is not None:
            return Instant(start + self.after_start)
        if self.after_sending is not None:
            return Instant(now + self.after_sending)
        return self.fixed


ends = st.sampled_from(
    [
        End(after_sending=0),
        End(after_sending=-SECOND),
        End(after_sending=-2 * MINUTE),
        End(after_sending=3 * MINUTE),
        End(after_start=0),
        End(after_start=-SECOND),
        End(after_start=10 * SECOND),
        End(after_start=MINUTE),
        End(fixed=None),
        End(fixed=ZERO_TIME),
        End(fixed=Instant(FAR_FUTURE)),
    ]
)


class BrokenPromiseError(AssertionError):
    """The fold did what it promised never to do; the message begins with the promise's name."""


def end_of(resolve: Report) -> int:
    """Return the moment at which *resolve* says the alert ended, wrong clocks mended."""
    received = resolve.received_at.micros
    if resolve.ends_at is None or resolve.ends_at.micros < resolve.starts_at.micros:
        return received
    return min(resolve.ends_at.micros, received)


class Senders(RuleBasedStateMachine):
    """Senders of one alert, and the promises of the fold that need no model to be checked.

    ``fold`` and ``settle`` are attributes so that a mutant can take their place. Only promises whose names begin with
    ``watched`` are checked.
    """

    fold: Fold = staticmethod(fold)
    settle: Settle = staticmethod(settle)
    watched = ""

    firings = Bundle("firings")
    reports = Bundle("reports")

    def __init__(self) -> None:
        super().__init__()
        self.now = DAWN
        self.cast: tuple[str, ...] = WEBHOOKS
        self.state = AlertState()
        self.changes: list[Change] = []
        self.newest: dict[int, int] = {}
        self.unanswered: list[tuple[str, int, int]] = []
        self.last_resolved: tuple[int, int] | None = None

    @initialize(targets=(firings, reports), cast=casts, lease=leases)
    def fire_first(self, cast: tuple[str, ...], lease: int) -> Report:
        self.cast = cast
        return self.deliver(self.firing(0, 0, 0, b"{}", 0, lease))

    @rule(
        targets=(firings, reports),
        who=whos,
        minutes=start_minutes,
        lag=lags,
        words=annotations,
        nano=nanos,
        lease=leases,
    )
    def fire(self, who: int, minutes: int, lag: int, words: bytes, nano: int, lease: int) -> Report:
        return self.deliver(self.firing(who, minutes, lag, words, nano, lease))

    @rule(targets=(firings, reports), of=firings, minutes=st.sampled_from([0, 0, -1, 1]), words=annotations)
    def fire_again_with_another_start(self, of: Report, minutes: int, words: bytes) -> Report:
        start = Instant(of.starts_at.micros + minutes * MINUTE)
        return self.deliver(replace(self.sent_anew(of), starts_at=start, annotations_json=words))

    @rule(target=reports, of=firings, end=ends, lag=lags)
    def resolve(self, of: Report, end: End, lag: int) -> Report:
        return self.deliver(self.resolve_of(of, of.sender, end, lag))

    @rule(target=reports, of=firings, who=whos, end=ends)
    def resolve_what_another_sender_said(self, of: Report, who: int, end: End) -> Report:
        return self.deliver(self.resolve_of(of, self.sender(who), end, 0))

    @rule(target=reports, who=whos, minutes=start_minutes, end=ends)
    def resolve_what_may_never_have_fired(self, who: int, minutes: int, end: End) -> Report:
        return self.deliver(self.resolve_of(self.firing(who, minutes, 0, b"{}", 0, 0), self.sender(who), end, 0))

    @rule(report=reports)
    def retry(self, report: Report) -> None:
        self.deliver(self.sent_anew(report))

    @rule(report=reports, who=whos)
    def deliver_by_a_peer_as_well(self, report: Report, who: int) -> None:
        self.deliver(replace(self.sent_anew(report), sender=self.sender(who)))

    @rule(report=reports)
    def replay_from_a_spool(self, report: Report) -> None:
        self.deliver(report)

    @rule(pause=st.sampled_from([0, 1, 29, 30, 31, 60, 71, 120, 301, 601]))
    def let_time_pass(self, pause: int) -> None:
        self.now += pause * SECOND

    @rule(pause=st.sampled_from([0, 1, 15, 29, 30, 31, 69, 70, 120, 301, 599, 600, 601]))
    def let_time_pass_and_settle(self, pause: int) -> None:
        self.now += pause * SECOND
        self.state, changes = self.settle(self.state, self.now, policy=POLICY)
        again = self.settle(self.state, self.now, policy=POLICY)
        self.promise("settling twice settles once", again == (self.state, ()), again)
        for change in changes:
            self.note(change)
        self.no_firing_is_swallowed()
        self.look_after_settling(changes)

    def promise(self, name: str, kept: bool, facts: object = "") -> None:
        """Raise BrokenPromiseError unless the promise *name* was *kept*."""
        if not kept and name.startswith(self.watched):
            raise BrokenPromiseError(f"{name}: {facts}")

    def sender(self, who: int) -> str:
        return self.cast[who % len(self.cast)]

    def firing(self, who: int, minutes: int, lag: int, words: bytes, nano: int, lease: int) -> Report:
        sender = self.sender(who)
        received_at = self.now - lag
        this_minute = self.now - self.now % MINUTE
        return Report(
            fingerprint=Fingerprint("00000000000000a1"),
            alert_name="HighLatency",
            is_firing=True,
            starts_at=Instant(this_minute + minutes * MINUTE, nano),
            ends_at=None,
            labels_json=b"{}",
            annotations_json=words,
            generator_url=f"http://{sender}/graph",
            received_at=Instant(received_at),
            sender=sender,
            lease_expires_at=Instant(received_at + lease) if sender in LEASERS else None,
        )

    def resolve_of(self, firing: Report, sender: str, end: End, lag: int) -> Report:
        return replace(
            firing,
            is_firing=False,
            sender=sender,
            ends_at=end.of(firing.starts_at.micros, self.now),
            received_at=Instant(self.now - lag),
            lease_expires_at=None,
        )

    def sent_anew(self, report: Report) -> Report:
        """Return *report* as it would be received now; a lease runs as long as it did."""
        if report.lease_expires_at is None:
            return replace(report, received_at=Instant(self.now))
        lease = report.lease_expires_at.micros - report.received_at.micros
        return replace(report, received_at=Instant(self.now), lease_expires_at=Instant(self.now + lease))

    def deliver(self, report: Report) -> Report:
        before, outcome = self.state, self.fold_once(self.state, report)
        event(f"decision: {outcome.decision}")
        if outcome.decision is Decision.SUPERSEDED:
            self.promise("superseded reports change nothing", outcome.state == before and not outcome.change)
        else:
            start = report.starts_at.micros
            self.newest[start] = max(self.newest.get(start, 0), report.received_at.micros)
            self.expect_an_answer(report)
        self.state = outcome.state
        if outcome.change:
            self.check_resolve(before, report, outcome.change)
            self.note(outcome.change)
        self.the_same_again_changes_nothing(report)
        self.look_after_delivery(report, outcome)
        return report

    def fold_once(self, state: AlertState, report: Report) -> Outcome:
        newest = self.newest.get(report.starts_at.micros)
        return self.fold(state, report, newest_received_at=newest, policy=POLICY)

    def note(self, change: Change) -> None:
        """Append *change* to the events; they alternate and never end before they were told to have ended."""
        was_open = any(c.kind in OPENING for c in self.changes) and (
            next(c for c in reversed(self.changes) if c.kind in OPENING | CLOSING).kind in OPENING
        )
        self.promise("events alternate", (change.kind in OPENING) is not was_open, (was_open, change))
        self.promise("only closing events have an end", (change.end is not None) is (change.kind in CLOSING), change)
        self.promise("no end lies in the future", change.end is None or change.end <= change.received_at, change)
        self.changes.append(change)
        event(f"event: {change.kind}")

    def expect_an_answer(self, report: Report) -> None:
        """Remember a firing until it is answered by an event or taken back by its own sender."""
        if report.is_firing:
            self.unanswered.append((report.sender, self.now + HOLD_WINDOW, len(self.changes)))
        else:
            self.unanswered = [u for u in self.unanswered if u[0] != report.sender]

    def no_firing_is_swallowed(self) -> None:
        for sender, due, seen_changes in [u for u in self.unanswered if u[1] <= self.now]:
            was_closed = any(c.kind in CLOSING for c in self.changes[seen_changes:])
            self.promise("no firing is swallowed", self.state.is_firing or was_closed, (sender, due))
        self.unanswered = [u for u in self.unanswered if u[1] > self.now]

    def check_resolve(self, before: AlertState, report: Report, change: Change) -> None:
        if change.kind is not EventKind.RESOLVED:
            return
        covers = report.starts_at.micros == before.start or end_of(report) >= (before.start or 0)
        self.promise("a late resolve never closes a newer episode", covers, (before, report))
        said = (report.starts_at.micros, report.ends_at.micros if report.ends_at else 0)
        is_repeated = said == self.last_resolved and said[0] <= said[1]
        self.promise("a resolve closes once", not is_repeated, report)
        self.last_resolved = said

    def the_same_again_changes_nothing(self, report: Report) -> None:
        again = self.fold_once(self.state, report)
        kept = replace(self.state, last_seen_at=again.state.last_seen_at, times_seen=again.state.times_seen)
        self.promise("the same again changes nothing", again.change is None, again)
        self.promise("the same again changes nothing", again.state == kept, (self.state, again.state))

    def look_after_delivery(self, report: Report, outcome: Outcome) -> None:
        """Look at what *report* did, beyond the promises."""

    def look_after_settling(self, changes: tuple[Change, ...]) -> None:
        """Look at what settling did, beyond the promises."""


SILENCES = (29, 30, 70, 130, 300, 600)
"""Seconds of silence whose events are compared after every step: it shows holds and leases as soon as they differ."""


def seen(change: Change) -> Seen:
    """Return what an observer sees of *change*."""
    return Seen(change.kind, change.start, change.end, change.sender, change.annotations_json)


def new_model() -> EffectiveStateModel:
    """Return a model under the same policy as the fold."""
    return EffectiveStateModel(
        hold_window=HOLD_WINDOW, lease_grace=MINUTE, stale_after=10 * MINUTE, max_holds=POLICY.max_holds
    )


class SendersBesideModel(Senders):
    """As ``Senders``, and everything observable is what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self.model = new_model()

    def look_after_delivery(self, report: Report, outcome: Outcome) -> None:
        self.promise("as the model: decision", outcome.decision == self.model.hear(report), outcome)
        self.compare()

    def look_after_settling(self, changes: tuple[Change, ...]) -> None:
        self.model.tick(self.now)
        self.compare()

    def compare(self) -> None:
        state, model = self.state, self.model
        told = [seen(change) for change in self.changes]
        self.promise("as the model: events", told == model.events, (told[-2:], model.events[-2:]))
        for silence in SILENCES:
            then = self.now + silence * SECOND
            foreseen = [seen(change) for change in self.settle(state, then, policy=POLICY)[1]]
            expected = model.foresee(then)
            self.promise("as the model: after a silence", foreseen == expected, (silence, foreseen, expected))
        self.promise("as the model: is firing", state.is_firing == model.is_firing)
        self.promise("as the model: open start", not state.is_firing or state.start == model.open_start)
        self.promise("as the model: is stale", state.is_stale == model.is_stale)
        self.promise("as the model: held senders", {h.sender for h in state.holds} == model.held_senders)
        self.promise("as the model: annotations", state.annotations_json == model.annotations)
        fired = sum(c.kind in OPENING for c in self.changes)
        self.promise("as the model: times fired", state.times_fired == fired, (state.times_fired, fired))


TestFoldKeepsItsPromises = pytest.mark.timeout(1800)(Senders.TestCase)
TestFoldBesideModel = pytest.mark.timeout(1800)(SendersBesideModel.TestCase)


UNSHRUNK = settings(
    settings.get_profile("default"),
    max_examples=2000,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
)


def machine(senders: type[Senders], *, watched: str, fold: Fold = fold, settle: Settle = settle) -> type[Senders]:
    """Return *senders* with *fold* and *settle* in the places of the real ones, looking only at *watched*."""
    parts = {"fold": staticmethod(fold), "settle": staticmethod(settle), "watched": watched}
    return type("Mutant", (senders,), parts)


def assert_noticed(mutant: type[Senders]) -> None:
    """Fail unless hypothesis finds what is wrong with *mutant*."""
    with pytest.raises(BrokenPromiseError):
        run_state_machine_as_test(mutant, settings=UNSHRUNK)


@pytest.mark.parametrize(
    ("fold", "promise"),
    [
        (mutants.closes_on_a_late_resolve, "a late resolve never closes a newer episode"),
        (mutants.drops_held_firings, "no firing is swallowed"),
        (mutants.takes_a_refire_with_the_same_start_for_a_repeat, "no firing is swallowed"),
        (mutants.lets_any_sender_cancel_a_hold, "no firing is swallowed"),
        (mutants.lets_a_repeated_firing_put_off_its_hold, "no firing is swallowed"),
        (mutants.tells_of_repeats, "the same again changes nothing"),
        (mutants.forgets_what_it_applied, "a resolve closes once"),
        (mutants.refires_while_open, "events alternate"),
        (mutants.believes_far_future_ends, "no end lies in the future"),
        (mutants.counts_replays, "superseded reports change nothing"),
    ],
)
def test_a_wrong_fold_breaks_its_promise(fold: Fold, promise: str) -> None:
    assert_noticed(machine(Senders, fold=fold, watched=promise))


@pytest.mark.parametrize(
    ("settle", "promise"),
    [
        (mutants.marks_stale_again_and_again, "settling twice settles once"),
        (mutants.drops_holds_that_fall_due, "no firing is swallowed"),
    ],
)
def test_a_wrong_settle_breaks_its_promise(settle: Settle, promise: str) -> None:
    assert_noticed(machine(Senders, settle=settle, watched=promise))


@pytest.mark.parametrize(
    "fold",
    [
        mutants.closes_on_a_late_resolve,
        mutants.drops_held_firings,
        mutants.takes_a_refire_with_the_same_start_for_a_repeat,
        mutants.lets_any_sender_cancel_a_hold,
        mutants.lets_a_repeated_firing_put_off_its_hold,
        mutants.forgets_what_it_applied,
        mutants.forgets_where_a_cancelled_hold_ended,
        mutants.replaces_the_lease_by_a_shorter_one,
        mutants.leases_an_unleased_episode,
        mutants.forgets_the_leases_of_dropped_holds,
        mutants.believes_replays,
    ],
)
def test_a_wrong_fold_differs_from_the_model(fold: Fold) -> None:
    assert_noticed(machine(SendersBesideModel, fold=fold, watched="as the model"))


@pytest.mark.parametrize(
    "settle",
    [
        mutants.drops_holds_that_fall_due,
        mutants.tells_one_change_at_a_time,
        mutants.never_expires,
        mutants.marks_stale_again_and_again,
        mutants.leases_a_refire_when_any_hold_is_leased,
        mutants.refires_with_the_start_of_the_first_hold,
    ],
)
def test_a_wrong_settle_differs_from_the_model(settle: Settle) -> None:
    assert_noticed(machine(SendersBesideModel, settle=settle, watched="as the model"))
