"""What an alert's past says: whether it is new, flaps, or goes away by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from alerthistory_classifier.domain.evidence import NO_VOTES, Evidence, Votes
from alerthistory_common.alerts import HistoryContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """A way in which alerts behave, and what that says. None does not restrict."""

    rule: str
    because: str
    min_times: int = 0
    min_flaps_per_hour: float | None = None
    max_minutes: float | None = None
    min_minutes: float | None = None
    votes: Votes = NO_VOTES

    def fits(self, history: HistoryContext) -> bool:
        """Whether an alert with this *history* behaves so."""
        if history.times_fired < self.min_times:
            return False
        if self.min_flaps_per_hour is not None and history.flaps_per_hour < self.min_flaps_per_hour:
            return False
        if self.max_minutes is None and self.min_minutes is None:
            return True
        lasts = history.median_duration
        if lasts is None:
            return False
        is_short = self.max_minutes is None or lasts <= timedelta(minutes=self.max_minutes)
        return is_short and (self.min_minutes is None or lasts >= timedelta(minutes=self.min_minutes))


def habit(known: Sequence[Habit], history: HistoryContext) -> Habit | None:
    """Return the first of the *known* habits that an alert with this *history* has, None when it has none."""
    return next((each for each in known if each.fits(history)), None)


def is_new(history: HistoryContext) -> bool:
    """Whether the alert never fired before."""
    return history.times_fired == 0


def shown(habit: Habit, history: HistoryContext) -> Evidence:
    """Return what *habit* says, with the figures that show it."""
    figures = [f"{history.times_fired} times before"]
    if habit.min_flaps_per_hour is not None:
        figures.append(f"{history.flaps_per_hour:.1f} changes an hour")
    if history.median_duration is not None and (habit.max_minutes is not None or habit.min_minutes is not None):
        figures.append(f"mostly for {_duration(history.median_duration)}")
    return Evidence(rule=habit.rule, because=f"{habit.because} ({', '.join(figures)})", votes=habit.votes)


def _duration(duration: timedelta) -> str:
    seconds = max(1, round(duration.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"
