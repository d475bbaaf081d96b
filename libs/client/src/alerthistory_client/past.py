"""An alert as history knows it, as a case to judge anew."""

from collections.abc import Sequence
from datetime import timedelta
from statistics import median

import msgspec

from alerthistory_client.alert_files import event_id
from alerthistory_client.records import Alert
from alerthistory_client.verdict_records import Case
from alerthistory_common.alerts import AlertEvent, EventKind, HistoryContext, Instant

_OPENINGS = frozenset({EventKind.FIRED, EventKind.REFIRED})
TURNS = 100
"""How many openings and closings of an alert count, at most; history looks at as many."""

_EPISODES = 50
_DAY = timedelta(days=1) // timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // timedelta(microseconds=1)


def case_of(alert: Alert, events: Sequence[AlertEvent]) -> Case:
    """Return the last time that *alert* fired, with its content of today, and its past before that.

    *events* are those of the alert, the latest first; without one that it fired, as after an import, one is made up.
    """
    turns = [each for each in events if each.kind.is_published]
    place = next((index for index, each in enumerate(turns) if each.kind in _OPENINGS), None)
    opening = _made_up(alert) if place is None else turns[place]
    before = [] if place is None else turns[place + 1 :]
    event = msgspec.structs.replace(
        opening,
        labels_json=alert.labels_json,
        annotations_json=alert.annotations_json,
        generator_url=alert.generator_url,
    )
    return Case(event=event, history=_history(before[:TURNS], alert.times_fired, opening.occurred_at))


def _made_up(alert: Alert) -> AlertEvent:
    starts_at = alert.starts_at or alert.last_seen_at
    return AlertEvent(
        event_id=event_id(alert.fingerprint, starts_at.iso_utc().encode()),
        cursor="",
        kind=EventKind.FIRED,
        fingerprint=alert.fingerprint,
        alert_name=alert.alert_name,
        starts_at=starts_at,
        ends_at=None,
        labels_json=alert.labels_json,
        annotations_json=alert.annotations_json,
        generator_url=alert.generator_url,
        occurred_at=alert.last_seen_at,
        received_at=alert.last_seen_at,
        sender="ahctl",
    )


def _history(turns: Sequence[AlertEvent], times_fired: int, until: Instant) -> HistoryContext:
    closed = [(each.starts_at.micros, each.ends_at) for each in turns if each.ends_at is not None]
    lengths = [end.micros - start for start, end in closed][:_EPISODES]
    return HistoryContext(
        times_fired=max(0, times_fired - 1),
        median_duration=timedelta(microseconds=int(median(lengths))) if lengths else None,
        last_resolved_at=closed[0][1] if closed else None,
        flaps_per_hour=_flaps_per_hour([each.occurred_at.micros for each in turns], until.micros),
    )


def _flaps_per_hour(turns: Sequence[int], until: int) -> float:
    lately = [each for each in turns if each > until - _DAY]
    if len(lately) < TURNS:
        return len(lately) * _HOUR / _DAY
    # So many turns within the day that we do not know all of them: their own span tells the rate.
    return len(lately) * _HOUR / max(1, until - min(lately))
