"""A second statement of the rules by which reports fold into the effective state of an alert.

Written from ``docs/effective-state.md`` alone, and on purpose in another way than the implementation: a model
keeps what it was told, in plain lists, sets and dicts, and derives what is true from them when it is asked.
It is slow, mutable, and knows one fingerprint.
"""

from copy import copy
from typing import NamedTuple

from alerthistory_common.alerts import ZERO_TIME, Report


class Seen(NamedTuple):
    """One event as an observer sees it: the kind's word, the episode's start and, when it closed, its end."""

    kind: str
    start: int
    end: int | None
    sender: str
    annotations: bytes


class EffectiveStateModel:
    """What is true of one alert, derived from everything that was said about it.

    Durations are microseconds. ``events`` are in the order in which they happened.
    """

    def __init__(self, *, hold_window: int, lease_grace: int, stale_after: int, max_holds: int) -> None:
        self.events: list[Seen] = []
        self._hold_window = hold_window
        self._lease_grace = lease_grace
        self._stale_after = stale_after
        self._max_holds = max_holds
        self._heard: list[Report] = []
        self._spoken: list[bytes] = [b"{}"]
        self._known_closed: set[int] = set()
        self._applied: list[tuple[int, int | None]] = []
        self._waiting: dict[str, list[Report]] = {}
        self._episode_starts: set[int] = set()
        self._episode_promises: list[int | None] = []
        self._stale_marks: list[int] = []

    @property
    def is_firing(self) -> bool:
        return bool(self._episode_starts)

    @property
    def open_start(self) -> int | None:
        return min(self._episode_starts, default=None)

    @property
    def is_stale(self) -> bool:
        return bool(self._stale_marks)

    @property
    def held_senders(self) -> set[str]:
        return set(self._waiting)

    @property
    def annotations(self) -> bytes:
        return self._spoken[-1]

    def hear(self, report: Report) -> str:
        """Take in *report*; return the word for what it meant."""
        start, received = report.starts_at.micros, report.received_at.micros
        if any(h.starts_at.micros == start and h.received_at.micros > received for h in self._heard):
            return "superseded"
        self._heard.append(report)
        if report.is_firing:
            return self._hear_again(report) if self.is_firing else self._hear_anew(report)
        return self._hear_end_of_open(report) if self.is_firing else self._hear_end_of_closed(report)

    def tick(self, now: int) -> None:
        """Let time pass until *now*."""
        if self._waiting and min(map(self._due, self._waiting)) <= now:
            self._fire_the_waiting()
        if self._promised_until is not None and self._promised_until + self._lease_grace <= now:
            self._close("expired", now, {now}, "", self.annotations)
        if self.is_firing and not self._is_leased and not self.is_stale and self._is_unseen_at(now):
            self._stale_marks.append(now)
            self._tell("went_stale", "", self.annotations)

    def foresee(self, now: int) -> list[Seen]:
        """Return the events of a silence that lasts until *now*, without living through it."""
        twin = copy(self)
        for name, kept in vars(self).items():
            setattr(twin, name, copy(kept))
        twin.tick(now)
        return twin.events[len(self.events) :]

    def _is_unseen_at(self, now: int) -> bool:
        return now - max(h.received_at.micros for h in self._heard) >= self._stale_after

    @property
    def _is_leased(self) -> bool:
        return bool(self._episode_promises) and None not in self._episode_promises

    @property
    def _promised_until(self) -> int | None:
        """Until when the open episode's firings asserted it; None unless all of them did."""
        return max(p or 0 for p in self._episode_promises) if self._is_leased else None

    def _hear_again(self, report: Report) -> str:
        start, annotations = report.starts_at.micros, report.annotations_json
        is_late_copy = any(start <= known < min(self._episode_starts) for known in self._closed_through())
        is_earlier = all(start < known for known in self._episode_starts) and not is_late_copy
        is_reworded = annotations != self.annotations
        if not is_late_copy:
            self._episode_starts.add(start)
        self._episode_promises.append(_promise(report))
        self._stale_marks.clear()
        self._spoken.append(annotations)
        if is_earlier:
            return self._tell("start_moved", report.sender, annotations)
        if is_reworded:
            return self._tell("annotations_changed", report.sender, annotations)
        return "repeated"

    def _hear_anew(self, report: Report) -> str:
        start, sender = report.starts_at.micros, report.sender
        if all(start > known for known in self._known_closed):
            return self._open("fired", {start}, [_promise(report)], sender, report.annotations_json)
        if sender not in self._waiting and len(self._waiting) >= self._max_holds:
            return self._open("refired", {start}, [_promise(report)], sender, report.annotations_json)
        self._waiting.setdefault(sender, []).append(report)
        return "held"

    def _fire_the_waiting(self) -> None:
        first = min(sorted(self._waiting), key=self._due)
        starts = {report.starts_at.micros for reports in self._waiting.values() for report in reports}
        self._open("refired", starts, [], first, self._waiting[first][-1].annotations_json)

    def _hear_end_of_open(self, report: Report) -> str:
        ends = report.ends_at.micros if report.ends_at else None
        if self._is_applied(report):
            return "duplicate"
        if not _covers(report, min(self._episode_starts)):
            return "late_resolve"
        self._applied.append((report.starts_at.micros, ends))
        marks = {_end(report), report.starts_at.micros}
        return self._close("resolved", _end(report), marks, report.sender, report.annotations_json)

    def _hear_end_of_closed(self, report: Report) -> str:
        held = self._waiting.get(report.sender, [])
        if held and _covers(report, min(h.starts_at.micros for h in held)):
            del self._waiting[report.sender]
            self._known_closed |= {_end(report), report.starts_at.micros}
            return "hold_cancelled"
        self._known_closed.add(_end(report))
        return "duplicate" if self._is_applied(report) else "not_open"

    def _closed_through(self) -> list[int]:
        return sorted(self._known_closed)[-1:]

    def _is_applied(self, report: Report) -> bool:
        ends = _usable_end(report)
        return ends is not None and self._applied[-1:] == [(report.starts_at.micros, ends)]

    def _due(self, sender: str) -> int:
        return self._waiting[sender][0].received_at.micros + self._hold_window

    def _open(self, kind: str, starts: set[int], promises: list[int | None], sender: str, annotations: bytes) -> str:
        # Who waited said the same, so the episode asserts what they asserted.
        self._episode_promises = promises + [_promise(r) for waiting in self._waiting.values() for r in waiting]
        self._episode_starts = starts
        self._waiting.clear()
        self._spoken.append(annotations)
        return self._tell(kind, sender, annotations)

    def _close(self, kind: str, end: int, marks: set[int], sender: str, annotations: bytes) -> str:
        self._spoken.append(annotations)
        self._tell(kind, sender, annotations, end=end)
        self._known_closed |= marks | {min(self._episode_starts)}
        self._episode_starts = set()
        self._episode_promises = []
        self._stale_marks.clear()
        return kind

    def _tell(self, kind: str, sender: str, annotations: bytes, end: int | None = None) -> str:
        self.events.append(Seen(kind, min(self._episode_starts), end, sender, annotations))
        return kind


def _promise(report: Report) -> int | None:
    return report.lease_expires_at.micros if report.lease_expires_at else None


def _usable_end(report: Report) -> int | None:
    if report.ends_at is None or report.ends_at == ZERO_TIME:
        return None
    return report.ends_at.micros if report.ends_at.micros >= report.starts_at.micros else None


def _end(report: Report) -> int:
    ends = _usable_end(report)
    return report.received_at.micros if ends is None else min(ends, report.received_at.micros)


def _covers(report: Report, start: int) -> bool:
    return report.starts_at.micros == start or _end(report) >= start
