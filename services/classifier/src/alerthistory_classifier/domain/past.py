"""What an alert's past says: whether it is new, flaps, or goes away by itself."""

from datetime import timedelta

from alerthistory_classifier.domain.evidence import Evidence, Level
from alerthistory_common.alerts import HistoryContext

_OFTEN = 10
_SHORT = timedelta(minutes=5)
_FLAPS_PER_HOUR = 2.0  # Once an hour: one opening and one closing.


def is_new(history: HistoryContext) -> bool:
    """Whether the alert never fired before."""
    return history.times_fired == 0


def habits(history: HistoryContext) -> list[Evidence]:
    """Return the bad habits of an alert that fired often: flapping, and resolving by itself within minutes."""
    if history.times_fired < _OFTEN:
        return []
    found = []
    if history.flaps_per_hour >= _FLAPS_PER_HOUR:
        found.append(
            Evidence(
                rule="flapping",
                level=Level.INFO,
                because=f"it flaps: {history.flaps_per_hour:.1f} changes an hour",
                recommendations=("Give the rule a longer `for:`, or a wider threshold.",),
            )
        )
    if history.median_duration is not None and history.median_duration <= _SHORT:
        found.append(
            Evidence(
                rule="short-lived",
                level=Level.INFO,
                because=(
                    f"it fired {history.times_fired} times before and was mostly over "
                    f"within {_spoken(history.median_duration)}"
                ),
                recommendations=("See whether anybody ever acted on it; if not, remove or relax the rule.",),
            )
        )
    return found


def _spoken(duration: timedelta) -> str:
    seconds = max(1, round(duration.total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
