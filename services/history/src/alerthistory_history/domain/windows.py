"""The time that a report is about: whole hours or days, and what has come of the current one."""

from dataclasses import dataclass
from datetime import timedelta

from alerthistory_common.alerts import Instant
from alerthistory_common.errors import FieldViolation, InvalidArgumentError

from .counts import DAY, HOUR, Grain

LONGEST = timedelta(days=366)
DEFAULT = timedelta(days=7)
BY_HOURS = timedelta(hours=48)
"""Up to this length windows begin and end on the hour, longer ones at midnight (UTC)."""

_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The periods *first* to *last* of a grain; ``ends_us`` is the end of the last one, or now when that is earlier."""

    grain: Grain
    first: int
    last: int
    ends_us: int

    @property
    def begins_us(self) -> int:
        """Return the microsecond at which the window begins."""
        return self.grain.begin(self.first)

    @property
    def length(self) -> timedelta:
        """Return how long the window is."""
        return timedelta(microseconds=self.ends_us - self.begins_us)

    @property
    def length_ms(self) -> int:
        """Return how long the window is, in milliseconds."""
        return (self.ends_us - self.begins_us) // 1000

    def by(self, grain: Grain) -> "Window":
        """Return the same time counted by *grain*, and what has to be added for whole periods of it."""
        last = grain.period(self.grain.begin(self.last + 1) - 1)
        return Window(grain=grain, first=grain.period(self.begins_us), last=last, ends_us=self.ends_us)

    def firing_ms(self, period: int, firing_ms: int, net: int) -> int:
        """Return what the counts of *period* add to the time that alerts fired within the window.

        Together with ``length_ms`` for every alert that fires now, the sum over all periods since the first is that
        time: alerts that fire now and did not begin to since, fired at the begin. So nobody has to know how many did.
        """
        if period > self.last:
            return -net * self.length_ms
        return firing_ms - net * (period + 1 - self.first) * self.grain.ms


def window(begin: Instant | None, end: Instant | None, now: Instant, *, grain: Grain | None = None) -> Window:
    """Return the window that covers *begin* to *end*: by default the week until now.

    Raises InvalidArgumentError when they are in the wrong order, in the future, or too far from one another.
    """
    ends = now.micros if end is None else min(end.micros, now.micros)
    begins = ends - DEFAULT // _MICRO if begin is None else begin.micros
    if begins >= ends:
        raise _invalid("begins_at", "must be before ends_at and before now")
    if ends - begins > LONGEST // _MICRO:
        raise _invalid("begins_at", f"must be at most {LONGEST.days} days before the end")
    chosen = grain or (HOUR if ends - begins <= BY_HOURS // _MICRO else DAY)
    last = chosen.period(ends - 1)
    return Window(grain=chosen, first=chosen.period(begins), last=last, ends_us=min(chosen.begin(last + 1), now.micros))


def _invalid(field: str, description: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{field} {description}", FieldViolation(field=f"window.{field}", description=description)
    )
