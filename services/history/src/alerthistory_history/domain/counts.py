"""What is counted of events, and how counts add up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from .histograms import Histogram

_MS = 1000


class Grain:
    """A length of periods that are counted apart. They begin at midnight or on the full hour, in UTC, from 1970 on.

    *longest_return* is how many periods back an alert's last firing is counted exactly: more than a report spans.
    """

    def __init__(self, name: str, ms: int, *, longest_return: int) -> None:
        self.name = name
        self.ms = ms
        self.longest_return = longest_return
        self._micros = ms * _MS

    def period(self, micros: int) -> int:
        """Return the number of the period in which *micros* is."""
        return micros // self._micros

    def begin(self, period: int) -> int:
        """Return the microsecond at which *period* begins."""
        return period * self._micros

    def __repr__(self) -> str:
        return self.name


HOUR = Grain("hour", 3_600_000, longest_return=100)
DAY = Grain("day", 86_400_000, longest_return=400)
GRAINS = (HOUR, DAY)

GAPS, RETURNS = 1 << 10, 2 << 10
"""Where the bins of these begin; those of the durations begin at 0."""


class Change(NamedTuple):
    """What one event adds to the counts of its period."""

    opened: int = 0
    resolved: int = 0
    expired: int = 0
    firing_ms: int = 0
    duration_ms: int = 0
    gap_ms: int = 0
    bins: tuple[int, ...] = ()


@dataclass(slots=True, kw_only=True)
class Counts:
    """What happened to the alerts of one slice within some time.

    ``firing_ms`` is how long alerts fired until the end of the period, if none did at its begin: openings add what is
    left of the period, closings take it away. ``duration_ms`` and ``gap_ms`` are sums: of how long resolved episodes
    lasted, and of the times from one firing of an alert to its next. ``bins`` are three histograms in one: of
    durations, of gaps, and of firings by how many periods ago the same alert had fired last; "never" is the longest.
    """

    opened: int = 0
    resolved: int = 0
    expired: int = 0
    firing_ms: int = 0
    duration_ms: int = 0
    gap_ms: int = 0
    bins: dict[int, int] = field(default_factory=dict)

    @property
    def net(self) -> int:
        """Return how many more alerts fire after than before."""
        return self.opened - self.resolved - self.expired

    @property
    def durations(self) -> Histogram:
        """Return how long resolved episodes lasted."""
        return {each: count for each, count in self.bins.items() if each < GAPS}

    @property
    def gaps(self) -> Histogram:
        """Return the times from one firing of an alert to its next."""
        return {each - GAPS: count for each, count in self.bins.items() if GAPS <= each < RETURNS}

    def returned_within(self, periods: int) -> int:
        """Return how many firings came at most *periods* periods after the last one of the same alert."""
        last = RETURNS + periods
        return sum(count for each, count in self.bins.items() if RETURNS <= each <= last)

    def take(self, change: Change) -> None:
        """Count a change."""
        self.opened += change.opened
        self.resolved += change.resolved
        self.expired += change.expired
        self.firing_ms += change.firing_ms
        self.duration_ms += change.duration_ms
        self.gap_ms += change.gap_ms
        bins = self.bins
        for each in change.bins:
            bins[each] = bins.get(each, 0) + 1

    @classmethod
    def total(cls, some: Iterable["Counts"]) -> Self:
        """Return the sum of *some*. ``firing_ms`` adds up within one period only."""
        total = cls()
        for each in some:
            total.opened += each.opened
            total.resolved += each.resolved
            total.expired += each.expired
            total.firing_ms += each.firing_ms
            total.duration_ms += each.duration_ms
            total.gap_ms += each.gap_ms
            for number, count in each.bins.items():
                total.bins[number] = total.bins.get(number, 0) + count
        return total


@dataclass(slots=True, kw_only=True)
class AlertDay:
    """What happened to one alert on one day; ``quiet_us`` is the longest time between two changes."""

    opened: int = 0
    resolved: int = 0
    expired: int = 0
    firing_ms: int = 0
    first_us: int = 0
    last_us: int = 0
    quiet_us: int = 0

    @property
    def net(self) -> int:
        """Return 1 when the alert began to fire, -1 when it ceased to, 0 when it is as before."""
        return self.opened - self.resolved - self.expired

    @property
    def changes(self) -> int:
        """Return how often the alert began or ceased to fire."""
        return self.opened + self.resolved + self.expired

    def take(self, change: Change, at_us: int) -> None:
        """Count a change that comes after all others."""
        self.add(
            AlertDay(
                opened=change.opened,
                resolved=change.resolved,
                expired=change.expired,
                firing_ms=change.firing_ms,
                first_us=at_us,
                last_us=at_us,
            )
        )

    def add(self, later: "AlertDay") -> None:
        """Go on with what happened *later* on the same day."""
        if self.changes:
            self.quiet_us = max(self.quiet_us, later.quiet_us, later.first_us - self.last_us)
        else:
            self.quiet_us, self.first_us = later.quiet_us, later.first_us
        self.last_us = later.last_us
        self.opened += later.opened
        self.resolved += later.resolved
        self.expired += later.expired
        self.firing_ms += later.firing_ms
