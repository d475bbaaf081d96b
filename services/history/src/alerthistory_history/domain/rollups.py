"""Folding events into counts. Pure: the store loads what is known of the alerts, and adds the counts up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from alerthistory_common.alerts import EventKind

from .counts import GAPS, GRAINS, RETURNS, AlertDay, Change, Counts, Grain
from .histograms import bounded, bucket_of
from .records import Position
from .slices import Group, Slice, slices_of

_MS = 1000
_TURNS = frozenset({EventKind.FIRED, EventKind.REFIRED, EventKind.RESOLVED, EventKind.EXPIRED})

SliceCell = tuple[Grain, int, int]
"""A grain, the key of a slice, a period."""


class CountedEvent(NamedTuple):
    """What is counted of an event; the times are microseconds."""

    position: Position
    fp_hash: bytes
    kind: EventKind
    occurred_us: int
    starts_us: int
    ends_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedAlert:
    """What counting remembers of an alert. ``opened_us`` is when it fired last, ``changed_day`` when it changed last.

    ``key`` stands for it. ``texts``, for which the group stands, are those of an alert that was not counted before.
    """

    key: int
    fp_hash: bytes
    fingerprint: str
    group: Group
    texts: tuple[str, str, str] | None = None
    opened_us: int | None = None
    changed_day: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a run of events adds up to; ``position`` is that of the last one, None without any.

    ``alerts`` are those of which something else is remembered than before.
    """

    position: Position | None = None
    events: int = 0
    alerts: Mapping[bytes, CountedAlert] = field(default_factory=dict)
    alert_days: Mapping[tuple[int, int], AlertDay] = field(default_factory=dict)
    cells: Mapping[SliceCell, Counts] = field(default_factory=dict)
    slices: Mapping[int, Slice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncounted:
    """Events that are not counted yet, in the order of the log, with their alerts as they were before.

    ``is_last`` says that no more than these could be read.
    """

    events: Sequence[CountedEvent]
    alerts: Mapping[bytes, CountedAlert]
    is_last: bool


def alert_key(fp_hash: bytes) -> int:
    """Return a signed number of 64 bits that stands for an alert."""
    return int.from_bytes(fp_hash[:8], "big", signed=True)


def fold_events(uncounted: Uncounted) -> Folded:
    """Return what the events add up to."""
    fold = _Fold(uncounted.alerts)
    for event in uncounted.events:
        fold.take(event)
    return fold.result()


class _Fold:
    def __init__(self, known: Mapping[bytes, CountedAlert]) -> None:
        self._known = known
        self._alerts: dict[bytes, CountedAlert] = {}
        self._alert_days: dict[tuple[int, int], AlertDay] = {}
        self._cells: dict[SliceCell, Counts] = {}
        self._slices: dict[int, Slice] = {}
        self._last: CountedEvent | None = None
        self._events = 0

    def take(self, event: CountedEvent) -> None:
        self._last = event
        self._events += 1
        if event.kind not in _TURNS:
            return
        alert = self._alerts.get(event.fp_hash) or self._known[event.fp_hash]
        slices = slices_of(alert.group)
        for grain in GRAINS:
            period = grain.period(event.occurred_us)
            change = _change(event, alert, grain, period)
            for key, each in slices:
                cell = grain, key, period
                counts = self._cells.get(cell)
                if counts is None:
                    counts = self._cells[cell] = Counts()
                    self._slices[key] = each
                counts.take(change)
        # The last of the grains is the day.
        self._count_day(event, alert, period, change)
        if event.kind.is_firing or alert.changed_day != period:
            self._alerts[event.fp_hash] = _changed(alert, event, period)

    def _count_day(self, event: CountedEvent, alert: CountedAlert, period: int, change: Change) -> None:
        key = period, alert.key
        day = self._alert_days.get(key)
        if day is None:
            day = self._alert_days[key] = AlertDay()
        day.take(change, event.occurred_us)

    def result(self) -> Folded:
        return Folded(
            position=None if self._last is None else self._last.position,
            events=self._events,
            alerts=self._alerts,
            alert_days=self._alert_days,
            cells=self._cells,
            slices=self._slices,
        )


def _change(event: CountedEvent, alert: CountedAlert, grain: Grain, period: int) -> Change:
    left_ms = (grain.begin(period + 1) - event.occurred_us) // _MS
    if event.kind is EventKind.RESOLVED:
        ended = event.occurred_us if event.ends_us is None else event.ends_us
        span = bounded((ended - event.starts_us) // _MS)
        return Change(resolved=1, firing_ms=-left_ms, duration_ms=span, bins=(bucket_of(span),))
    if event.kind is EventKind.EXPIRED:
        # When it ended is not known, so it has no duration.
        return Change(expired=1, firing_ms=-left_ms)
    if alert.opened_us is None:
        return Change(opened=1, firing_ms=left_ms, bins=(RETURNS + grain.longest_return,))
    back = min(max(0, period - grain.period(alert.opened_us)), grain.longest_return)
    span = bounded((event.occurred_us - alert.opened_us) // _MS)
    return Change(opened=1, firing_ms=left_ms, gap_ms=span, bins=(GAPS + bucket_of(span), RETURNS + back))


def _changed(alert: CountedAlert, event: CountedEvent, day: int) -> CountedAlert:
    return CountedAlert(
        fp_hash=alert.fp_hash,
        fingerprint=alert.fingerprint,
        group=alert.group,
        texts=alert.texts,
        key=alert.key,
        opened_us=event.occurred_us if event.kind.is_firing else alert.opened_us,
        changed_day=day,
    )
