"""What reports tell, and the arithmetic behind it. ``docs/reports.md`` has the definitions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from .counts import DAY, HOUR, AlertDay, Counts, Grain
from .histograms import count_below, quantile
from .slices import Dimension, Group, ReportFilter, Slice, cut_for
from .windows import Window

FLAPPING_CHANGES = 3
"""How many changes make an alert flap: it fired, ceased to, and fired again, or the other way round."""

_HOURS_PER_DAY = 24
_DAYS_PER_WEEK = 7
# 1970 began on a Thursday; weeks begin on Monday.
_FIRST_WEEKDAY = 3


class TopGrouping(StrEnum):
    """What a row of the top alerts stands for."""

    NAME = "name"
    ALERT = "alert"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a report counts: the alerts that are wanted, told apart *by* at most one dimension, within a window."""

    wanted: ReportFilter
    window: Window
    by: Dimension = Dimension.NONE

    @cached_property
    def group(self) -> Group:
        """Return the hashes of what is wanted."""
        return self.wanted.group

    @cached_property
    def dimensions(self) -> Dimension:
        """Return what is restricted."""
        return self.wanted.dimensions

    @property
    def cut(self) -> Dimension:
        """Return the dimensions of the slices that answer it."""
        return cut_for(self.dimensions | self.by)

    @property
    def single(self) -> int | None:
        """Return the key of the only slice that answers it; None when there may be several."""
        return Slice(self.cut, self.group).key if self.cut == self.dimensions else None

    def includes(self, group: Group) -> bool:
        """Whether alerts of *group* are wanted."""
        return group.only(self.dimensions) == self.group

    def value_of(self, group: Group) -> int:
        """Return the hash of what tells *group* apart; 0 when nothing does."""
        return sum(group.only(self.by))

    def counts(self, each: Slice) -> bool:
        """Whether the counts of a slice are part of the answer."""
        return each.dimensions == self.cut and self.includes(each.group)


@dataclass(slots=True, kw_only=True)
class Sums:
    """Counts of some time without their histograms. ``firing_ms`` lacks the alerts that fire now: see Window."""

    fired: int = 0
    resolved: int = 0
    expired: int = 0
    firing_ms: int = 0
    duration_ms: int = 0
    gap_ms: int = 0

    def add(self, period: int, counts: Counts | AlertDay, window: Window) -> None:
        """Add the counts of *period*."""
        self.firing_ms += window.firing_ms(period, counts.firing_ms, counts.net)
        if period > window.last:
            return
        self.fired += counts.opened
        self.resolved += counts.resolved
        self.expired += counts.expired
        if isinstance(counts, Counts):
            self.duration_ms += counts.duration_ms
            self.gap_ms += counts.gap_ms

    @property
    def changes(self) -> int:
        """Return how often alerts began or ceased to fire."""
        return self.fired + self.resolved + self.expired


class Order(StrEnum):
    """By what a list is ordered, the largest first."""

    FIRED = "fired"
    FIRING_TIME = "firing_time"
    CHANGES = "changes"

    def score(self, sums: Sums, firing_now: int, window: Window) -> int:
        """Return what is ranked by: a number, or milliseconds."""
        match self:
            case Order.FIRED:
                return sums.fired
            case Order.CHANGES:
                return sums.changes
        return sums.firing_ms + firing_now * window.length_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertIdentity:
    """One alert as reports show it. ``labels_json`` is empty when the alert itself is no longer kept."""

    fingerprint: str
    alert_name: str
    namespace: str
    severity_label: str
    labels_json: bytes = b""
    is_firing: bool = False


class RankedAlert(NamedTuple):
    """How much one alert has of what a list is ordered by: the largest first, then by key."""

    score: int
    key: int

    def comes_after(self, other: "RankedAlert | None") -> bool:
        """Whether it stands behind *other* in the list; behind None stands everything."""
        return other is None or (-self.score, self.key) > (-other.score, other.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopAlert:
    """How often and how long one alert, or all alerts of one name, fired."""

    alert_name: str
    alert: AlertIdentity | None = None
    fired: int
    resolved: int
    expired: int
    firing_time: timedelta
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlappingAlert:
    """How often one alert changed between firing and not firing."""

    alert: AlertIdentity
    changes: int
    changes_per_hour: float
    longest_quiet: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How long some spans of time were; the quantiles are at most 5 % off. All are None without any."""

    count: int
    mean: timedelta | None
    p50: timedelta | None
    p95: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long the resolved episodes of alerts with one ``value`` lasted, and what lay between their firings."""

    value: str
    episodes: Spans
    gaps: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How many resolved episodes of alerts with one ``value`` there were, and how many of these were short."""

    value: str
    episodes: int
    short: int

    @property
    def share(self) -> float:
        """Return the share of the short ones, 0-1."""
        return self.short / self.episodes if self.episodes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened in one stretch of time, which begins at a microsecond."""

    begins_us: int
    fired: int
    resolved: int
    expired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How often alerts with one value fired."""

    value: str
    fired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityReport:
    """When alerts fired. ``heat_map`` has seven days from Monday on, of 24 hours each."""

    window: Window
    total: TopAlert
    series: Sequence[Activity]
    heat_map: Sequence[Sequence[int]]
    names: Sequence[Share] = field(default_factory=tuple)
    namespaces: Sequence[Share] = field(default_factory=tuple)
    severities: Sequence[Share] = field(default_factory=tuple)


def millis(span_ms: int | None) -> timedelta | None:
    """Return a number of milliseconds as a span of time."""
    return None if span_ms is None else timedelta(milliseconds=span_ms)


def firing_time(sums: Sums, firing_now: int, window: Window) -> timedelta:
    """Return how long alerts fired within *window*, *firing_now* of which do so now."""
    # Clocks of replicas differ a little; less than no time is none.
    return timedelta(milliseconds=max(0, sums.firing_ms + firing_now * window.length_ms))


def distinct_alerts(counts: Mapping[int, Counts], first: int) -> int:
    """Return how many alerts fired since period *first*: those whose last firing was before it, counted once each."""
    return sum(each.opened - each.returned_within(period - first) for period, each in counts.items())


def episodes_of(counts: Counts) -> Spans:
    """Return how long resolved episodes lasted."""
    return _spans(counts.durations, counts.duration_ms)


def gaps_of(counts: Counts) -> Spans:
    """Return how much time lay between firings of the same alert."""
    return _spans(counts.gaps, counts.gap_ms)


def noise_of(value: str, counts: Counts, threshold_ms: int) -> Noise:
    """Return how many resolved episodes were shorter than *threshold_ms*."""
    return Noise(value=value, episodes=counts.resolved, short=count_below(counts.durations, threshold_ms))


def longest_quiet_us(days: Iterable[tuple[int, AlertDay]]) -> int:
    """Return the longest time between two changes that follow one another, 0 without two."""
    longest, last = 0, None
    for _, day in sorted(days):
        if last is not None:
            longest = max(longest, day.first_us - last)
        longest, last = max(longest, day.quiet_us), day.last_us
    return longest


def series(periods: Mapping[int, Sums], window: Window, *, bucket: Grain, offset_hours: int) -> list[Activity]:
    """Return what happened per *bucket*, the oldest first, without gaps; days begin at midnight of the offset.

    *periods* and *window* are by hours.
    """
    hours = bucket.ms // HOUR.ms
    shift = offset_hours if bucket is DAY else 0
    first, last = (window.first + shift) // hours, (window.last + shift) // hours
    sums = {number: Sums() for number in range(first, last + 1)}
    for hour, each in periods.items():
        into = sums[(hour + shift) // hours]
        into.fired += each.fired
        into.resolved += each.resolved
        into.expired += each.expired
    return [
        Activity(
            begins_us=HOUR.begin(number * hours - shift),
            fired=each.fired,
            resolved=each.resolved,
            expired=each.expired,
        )
        for number, each in sums.items()
    ]


def heat_map(periods: Mapping[int, Sums], *, offset_hours: int) -> list[list[int]]:
    """Return how often alerts fired by weekday, from Monday on, and hour of the day."""
    counts = [[0] * _HOURS_PER_DAY for _ in range(_DAYS_PER_WEEK)]
    for hour, each in periods.items():
        day, of_day = divmod(hour + offset_hours, _HOURS_PER_DAY)
        counts[(day + _FIRST_WEEKDAY) % _DAYS_PER_WEEK][of_day] += each.fired
    return counts


def _spans(histogram: Mapping[int, int], total_ms: int) -> Spans:
    count = sum(histogram.values())
    return Spans(
        count=count,
        mean=timedelta(milliseconds=total_ms) / count if count else None,
        p50=millis(quantile(histogram, 0.5)),
        p95=millis(quantile(histogram, 0.95)),
    )
