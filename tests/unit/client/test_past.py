"""An alert as history knows it, as a case to judge anew."""

from datetime import timedelta

from alerthistory_client.past import TURNS, case_of
from alerthistory_client.records import Alert
from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, HistoryContext, Instant

_MINUTE = 60_000_000
_DAY = 24 * 60 * _MINUTE
_NOW = 100 * _DAY


def _alert(*, times_fired: int = 1, is_firing: bool = True) -> Alert:
    return Alert(
        fingerprint=Fingerprint("a1"),
        alert_name="HighLatency",
        namespace="shop",
        is_firing=is_firing,
        is_stale=False,
        severity=None,
        severity_label="",
        starts_at=Instant(_NOW - _MINUTE),
        ends_at=None,
        labels_json=b'{"alertname":"HighLatency"}',
        annotations_json=b'{"summary":"of today"}',
        generator_url="http://prometheus",
        first_seen_at=Instant(0),
        last_seen_at=Instant(_NOW),
        times_seen=9,
        times_fired=times_fired,
    )


def _event(kind: EventKind, at: int, *, start: int | None = None) -> AlertEvent:
    return AlertEvent(
        event_id=f"{kind}-{at}",
        cursor="",
        kind=kind,
        fingerprint=Fingerprint("a1"),
        alert_name="HighLatency",
        starts_at=Instant(at if start is None else start),
        ends_at=None if kind.is_firing else Instant(at),
        labels_json=b"{}",
        annotations_json=b'{"summary":"of then"}',
        generator_url=None,
        occurred_at=Instant(at),
        received_at=Instant(at),
        sender="alertmanager",
    )


def test_the_last_opening_is_judged_with_the_content_of_today_and_what_was_before_it() -> None:
    events = [
        _event(EventKind.ANNOTATIONS_CHANGED, _NOW - 1),
        _event(EventKind.FIRED, _NOW - _MINUTE),
        _event(EventKind.RESOLVED, _NOW - 10 * _MINUTE, start=_NOW - 14 * _MINUTE),
        _event(EventKind.REFIRED, _NOW - 14 * _MINUTE),
        _event(EventKind.EXPIRED, _NOW - 2 * _DAY, start=_NOW - 2 * _DAY - 2 * _MINUTE),
        _event(EventKind.FIRED, _NOW - 2 * _DAY - 2 * _MINUTE),
    ]
    case = case_of(_alert(times_fired=3), events)
    assert case.event.event_id == events[1].event_id
    assert case.event.annotations_json == b'{"summary":"of today"}'
    assert case.history == HistoryContext(
        times_fired=2,
        median_duration=timedelta(minutes=3),
        last_resolved_at=Instant(_NOW - 10 * _MINUTE),
        flaps_per_hour=2 / 24,
    )


def test_a_resolved_alert_is_judged_as_it_fired_last() -> None:
    events = [
        _event(EventKind.RESOLVED, _NOW, start=_NOW - _MINUTE),
        _event(EventKind.FIRED, _NOW - _MINUTE),
    ]
    case = case_of(_alert(is_firing=False), events)
    assert case.event.kind is EventKind.FIRED
    assert case.history == HistoryContext()


def test_an_alert_without_events_is_judged_by_what_was_last_reported() -> None:
    case, again = case_of(_alert(), []), case_of(_alert(), [])
    assert case == again
    assert (case.event.kind, case.event.starts_at) == (EventKind.FIRED, Instant(_NOW - _MINUTE))
    assert case.event.labels_json == b'{"alertname":"HighLatency"}'
    assert len(case.event.event_id) == 32


def test_more_turns_than_are_known_give_their_own_rate() -> None:
    kinds = (EventKind.RESOLVED, EventKind.FIRED)
    turns = [_event(kinds[number % 2], _NOW - (number + 1) * _MINUTE) for number in range(2 * TURNS)]
    case = case_of(_alert(times_fired=500), [_event(EventKind.FIRED, _NOW), *turns])
    assert case.history.flaps_per_hour == 60
