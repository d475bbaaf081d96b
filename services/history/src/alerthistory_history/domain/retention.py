"""What is kept how long: the moments that divide old from young, and what a run found or did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alerthistory_common.alerts import Instant

_DAY = timedelta(days=1) // timedelta(microseconds=1)
_WEEK = 7 * _DAY
# 1970 began on a Thursday; weeks begin on Mondays.
_FIRST_MONDAY = 4 * _DAY

TABLES = ("events", "occurrences", "alerts", "quarantine")
"""Those that retention deletes from, in its order: an alert goes once nothing speaks of it any more."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Week:
    """The week, in UTC, of a partition of events; its bounds are microseconds, ``end`` is not in it."""

    start: int

    @classmethod
    def of(cls, moment: int) -> "Week":
        """Return the week in which *moment* lies."""
        return cls(start=moment - (moment - _FIRST_MONDAY) % _WEEK)

    @property
    def end(self) -> int:
        """Return where the next week begins."""
        return self.start + _WEEK

    @property
    def name(self) -> str:
        """Return the partition's name: the year and number of the week, by ISO 8601."""
        year, number, _ = datetime.fromtimestamp(self.start // 1_000_000, UTC).isocalendar()
        return f"events_y{year}w{number:02}"

    def and_following(self, count: int) -> Sequence["Week"]:
        """Return this week and the *count* after it."""
        return [Week(start=self.start + number * _WEEK) for number in range(count + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition other than the default one: what occurred from ``start`` on, before ``end``."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """What was last received before ``moment`` may go, and events that occurred before ``events``, if they differ."""

    moment: int
    events: int

    @classmethod
    def before(cls, now: Instant, days: int, *, is_weekly: bool) -> "Cutoff":
        """Return the cutoff of *days* until *now*; events that lie in weeks go a week at a time."""
        moment = now.micros - days * _DAY
        return cls(moment=moment, events=Week.of(moment).start if is_weekly else moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """What would go from one table: rows, and about how many bytes come back."""

    table: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """How large a table is, with its indexes; the rows may be the database's estimate."""

    table: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlan:
    """What a run would delete now. No ``days``: retention is off and nothing was asked for."""

    configured_days: int | None
    days: int | None
    cutoff: Instant | None
    tables: Sequence[TablePlan]
    sizes: Sequence[TableSize]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one bounded deletion did, and after which key the next goes on; None at the end."""

    deleted: int = 0
    after: tuple[object, ...] | None = None
