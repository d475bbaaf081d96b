"""What an alert's past says about a new event of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from alerthistory_common.alerts import HistoryContext, Instant

TURNS = 100
"""How many turns before an event are looked at: they hold 50 closed episodes."""

_EPISODES = 50
_DAY = timedelta(days=1) // timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An opening of an episode, or a closing: then ``end`` is set."""

    start: int
    end: int | None
    occurred_at: int


def history_context(turns: Sequence[Turn], *, episode: int, occurred_at: int) -> HistoryContext:
    """Return the past of an event of the alert's *episode*-th episode, which history saw at *occurred_at*.

    *turns* are those before the event, the latest first, at most TURNS of them.
    """
    closed = [turn.end - turn.start for turn in turns if turn.end is not None][:_EPISODES]
    last_end = next((turn.end for turn in turns if turn.end is not None), None)
    return HistoryContext(
        times_fired=max(0, episode - 1),
        median_duration=timedelta(microseconds=int(median(closed))) if closed else None,
        last_resolved_at=None if last_end is None else Instant(last_end),
        flaps_per_hour=_flaps_per_hour(turns, occurred_at),
    )


def _flaps_per_hour(turns: Sequence[Turn], occurred_at: int) -> float:
    lately = [turn.occurred_at for turn in turns if turn.occurred_at > occurred_at - _DAY]
    if len(lately) < TURNS:
        return len(lately) * _HOUR / _DAY
    # So many turns within the day that we do not know all of them: their own span tells the rate.
    return len(lately) * _HOUR / max(1, occurred_at - min(lately))
