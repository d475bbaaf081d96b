"""Batches of reports and the passing of time, over many alerts at once."""

from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from alerthistory_common.alerts import EventKind, Fingerprint, Instant, Report
from alerthistory_history.domain.commit import Folded, fold_reports, next_due, settle_alerts
from alerthistory_history.domain.fold import settle
from alerthistory_history.domain.records import OccurrenceKey, StoredAlert
from alerthistory_history.domain.state import AlertState, Decision, Hold, Policy
from tests.builders import report

A, B = Fingerprint("a"), Fingerprint("b")
POLICY = Policy(
    hold_window=timedelta(microseconds=30),
    lease_grace=timedelta(microseconds=60),
    stale_after=timedelta(microseconds=1000),
)


def _fold(*reports: Report, newest: dict[OccurrenceKey, int] | None = None) -> Folded:
    alerts = {each.fingerprint: StoredAlert(fingerprint=each.fingerprint) for each in reports}
    return fold_reports([(0, each) for each in reports], alerts, newest or {}, POLICY, now=1_000)


def test_reports_of_a_batch_fold_upon_one_another() -> None:
    folded = _fold(
        report(fingerprint=A),
        report(fingerprint=B),
        report(fingerprint=A, is_firing=False, ends_at=Instant(120), received_at=Instant(130)),
    )

    assert folded.decisions == [Decision.FIRED, Decision.FIRED, Decision.RESOLVED]
    assert [(change.fingerprint, change.change.kind) for change in folded.changes] == [
        (A, EventKind.FIRED),
        (B, EventKind.FIRED),
        (A, EventKind.RESOLVED),
    ]
    assert folded.alerts[A].ended_at == 120


def test_an_occurrence_takes_the_position_of_its_last_report() -> None:
    folded = _fold(report(fingerprint=A), report(fingerprint=B), report(fingerprint=A, received_at=Instant(150)))

    written = folded.occurrences[OccurrenceKey(A, 100)]
    assert (written.position, written.times, written.first_received_at) == (2, 2, Instant(110))
    assert folded.accepted == 3


def test_a_superseded_report_takes_no_position_and_touches_nothing() -> None:
    folded = _fold(report(fingerprint=A), newest={OccurrenceKey(A, 100): 111})

    assert folded.decisions == [Decision.SUPERSEDED]
    assert (folded.alerts, folded.occurrences, folded.changes, folded.accepted) == ({}, {}, [], 0)


def test_an_older_report_after_a_newer_one_of_the_same_batch_is_superseded() -> None:
    folded = _fold(report(fingerprint=A, received_at=Instant(150)), report(fingerprint=A))

    assert folded.decisions == [Decision.FIRED, Decision.SUPERSEDED]


def test_episodes_are_numbered_from_one() -> None:
    ends = {"is_firing": False, "ends_at": Instant(120), "received_at": Instant(130)}
    again = {"starts_at": Instant(140), "received_at": Instant(150)}
    folded = _fold(report(fingerprint=A), report(fingerprint=A, **ends), report(fingerprint=A, **again))

    assert [change.episode for change in folded.changes] == [1, 1, 2]


def test_an_expired_alert_ends_when_it_was_settled() -> None:
    state = AlertState(is_firing=True, start=1, lease_expires_at=5, last_seen_at=2)
    alerts = {A: StoredAlert(fingerprint=A, state=state)}

    (change,) = settle_alerts(alerts, 65, POLICY)

    assert change.change.kind is EventKind.EXPIRED
    assert alerts[A].ended_at == 65


_moments = st.integers(0, 2000)
_holds = st.builds(
    Hold,
    sender=st.sampled_from("xyz"),
    start=_moments,
    due_at=_moments,
    annotations_json=st.just(b"{}"),
    generator_url=st.none(),
    lease_expires_at=st.none() | _moments,
    received_at=_moments,
)
_firing = st.builds(
    AlertState,
    is_firing=st.just(True),
    start=_moments,
    lease_expires_at=st.none() | _moments,
    is_stale=st.booleans(),
    last_seen_at=_moments,
)
_closed = st.builds(
    AlertState,
    start=_moments,
    closed_through=_moments,
    last_seen_at=_moments,
    holds=st.lists(_holds, max_size=3).map(tuple),
)


@given(state=_firing | _closed, early=st.integers(1, 500))
def test_time_changes_a_state_from_its_due_moment_on_and_not_before(state: AlertState, early: int) -> None:
    due = next_due(state, POLICY)
    assume(due is not None)
    assert due is not None

    assert settle(state, due - early, policy=POLICY) == (state, ())
    settled, changes = settle(state, due, policy=POLICY)
    assert changes
    later = next_due(settled, POLICY)
    assert later is None or later > due


@given(state=_firing | _closed)
def test_time_never_changes_a_state_without_a_due_moment(state: AlertState) -> None:
    assume(next_due(state, POLICY) is None)

    assert settle(state, 2**60, policy=POLICY) == (state, ())
