"""The reports once more, written as their definitions read: from the whole log, without any counts in between."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil

from alerthistory_common.alerts import EventKind
from alerthistory_history.domain.slices import ReportFilter

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
_OPENING = {EventKind.FIRED, EventKind.REFIRED}
_CLOSING = {EventKind.RESOLVED, EventKind.EXPIRED}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log."""

    fingerprint: str
    name: str
    namespace: str
    severity: str
    kind: EventKind
    occurred: int
    starts: int
    ends: int | None

    @property
    def is_opening(self) -> bool:
        """Whether the alert began to fire."""
        return self.kind in _OPENING

    @property
    def is_change(self) -> bool:
        """Whether the alert began or ceased to fire."""
        return self.kind in _OPENING | _CLOSING


class Model:
    """The answers about *log*, in whose order each alert's events are, from *begin* to *end*."""

    def __init__(self, log: Sequence[Event], wanted: ReportFilter, begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        self.log = [event for event in log if event.is_change and _is_wanted(event, wanted)]
        self.within = [event for event in self.log if begin <= event.occurred < end]

    def values(self, of: Callable[[Event], str]) -> set[str]:
        """Return all values that the log has of something."""
        return {of(event) for event in self.log}

    def apart(self, of: Callable[[Event], str]) -> list[tuple[str, "Model"]]:
        """Return the answers about every part of the log with one value."""
        return [(value, self.narrowed(of, value)) for value in self.values(of)]

    def narrowed(self, of: Callable[[Event], str], value: str) -> "Model":
        """Return the answers about the part of the log with one value."""
        log = [event for event in self.log if of(event) == value]
        return Model(log, ReportFilter(), self.begin, self.end)

    def fired(self) -> int:
        """Return how many episodes began."""
        return sum(event.is_opening for event in self.within)

    def of_kind(self, kind: EventKind) -> int:
        """Return how many events of one kind there are."""
        return sum(event.kind is kind for event in self.within)

    def alerts(self) -> int:
        """Return how many different alerts fired."""
        return len({event.fingerprint for event in self.within if event.is_opening})

    def firing_time(self) -> timedelta:
        """Return how long alerts fired, in milliseconds that began."""
        total, open_since = 0, dict[str, int]()
        for event in self.log:
            if event.is_opening:
                open_since[event.fingerprint] = event.occurred
            elif event.fingerprint in open_since:
                total += self._overlap(open_since.pop(event.fingerprint), event.occurred)
        total += sum(self._overlap(since, self.end) for since in open_since.values())
        return timedelta(milliseconds=total)

    def _overlap(self, since: int, until: int) -> int:
        first, last = max(_ms(since), _ms(self.begin)), min(_ms(until), self.end // 1000)
        return max(0, last - first)

    def durations(self) -> list[int]:
        """Return how many milliseconds the resolved episodes lasted."""
        return [
            max(0, event.ends - event.starts) // 1000
            for event in self.within
            if event.kind is EventKind.RESOLVED and event.ends is not None
        ]

    def gaps(self) -> list[int]:
        """Return how many milliseconds lay between firings of the same alert."""
        last, found = dict[str, int](), list[int]()
        for event in self.log:
            if not event.is_opening:
                continue
            if event.fingerprint in last and self.begin <= event.occurred < self.end:
                found.append((event.occurred - last[event.fingerprint]) // 1000)
            last[event.fingerprint] = event.occurred
        return found

    def changes(self) -> dict[str, int]:
        """Return how often each alert changed, of those that flap."""
        counts = Counter(event.fingerprint for event in self.within)
        return {fingerprint: count for fingerprint, count in counts.items() if count >= 3}

    def longest_quiet(self, fingerprint: str) -> timedelta:
        """Return the longest time between two changes of one alert."""
        times = [event.occurred for event in self.within if event.fingerprint == fingerprint]
        return timedelta(microseconds=max(map(_difference, pairwise(times)), default=0))

    def heat(self, offset_hours: int) -> list[list[int]]:
        """Return how often alerts fired by weekday and hour of local time."""
        counts = [[0] * 24 for _ in range(7)]
        for event in self.within:
            if event.is_opening:
                local = datetime.fromtimestamp(event.occurred / 1e6, UTC) + timedelta(hours=offset_hours)
                counts[local.weekday()][local.hour] += 1
        return counts

    def series(self, bucket_us: int, offset_us: int) -> dict[int, int]:
        """Return how often alerts fired by the begin of the stretch."""
        counts: dict[int, int] = defaultdict(int)
        for event in self.within:
            if event.is_opening:
                counts[(event.occurred + offset_us) // bucket_us * bucket_us - offset_us] += 1
        return counts


def nearest_rank(spans: Iterable[int], share: float) -> int:
    """Return the span that *share* of all do not exceed."""
    ordered = sorted(spans)
    return ordered[max(1, ceil(share * len(ordered))) - 1]


def _is_wanted(event: Event, wanted: ReportFilter) -> bool:
    pairs = (
        (wanted.alert_name, event.name),
        (wanted.namespace, event.namespace),
        (wanted.severity_label, event.severity),
    )
    return all(value is None or value == own for value, own in pairs)


def _difference(pair: tuple[int, int]) -> int:
    return pair[1] - pair[0]


def _ms(micros: int) -> int:
    return -(-micros // 1000)
