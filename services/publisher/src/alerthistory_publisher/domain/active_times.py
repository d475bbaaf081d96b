"""When a target may be told: days of the week and times of the day, in a time zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_AHEAD_DAYS = 15  # A week, and another one if the clocks go forward over the whole of the next time.


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTime:
    """From ``start`` to ``end`` on each of ``days`` (0 is Monday), in ``zone``.

    An ``end`` not after ``start`` lies on the next day; equal ones are a whole day.
    """

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    def __str__(self) -> str:
        days = ", ".join(_DAYS[day] for day in sorted(self.days))
        return f"{days} {self.start:%H:%M}-{self.end:%H:%M} {self.zone.key}"

    def _span(self, day: date) -> tuple[datetime, datetime]:
        """Return begin and end on *day*, in UTC: Python compares times of one zone by what its clocks show."""
        last = day if self.end > self.start else day + timedelta(days=1)
        return (
            datetime.combine(day, self.start, tzinfo=self.zone).astimezone(UTC),
            datetime.combine(last, self.end, tzinfo=self.zone).astimezone(UTC),
        )

    def opens(self, at: datetime) -> datetime | None:
        """Return *at* when it lies inside, else when it begins next; None when no day is named."""
        today = at.astimezone(self.zone).date()
        days = (today + timedelta(days=offset) for offset in range(-1, _LOOK_AHEAD_DAYS))
        spans = (self._span(day) for day in days if day.weekday() in self.days)
        return next((max(at, start) for start, end in spans if end > max(at, start)), None)


def next_active(times: Sequence[ActiveTime], at: datetime) -> datetime | None:
    """Return *at* when one of *times* holds then, or there is none; else when the next one begins."""
    if not times:
        return at
    openings = [moment for each in times if (moment := each.opens(at)) is not None]
    return min(openings, default=None)
