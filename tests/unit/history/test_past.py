"""What an alert's past says."""

from datetime import timedelta

from alerthistory_common.alerts import Instant
from alerthistory_history.domain.past import TURNS, Turn, history_context

HOUR = 3_600_000_000
NOW = 1_000 * HOUR


def _episode(start: int, length: int) -> list[Turn]:
    """Return the two turns of an episode, the latest first."""
    closing = Turn(start=start, end=start + length, occurred_at=start + length)
    return [closing, Turn(start=start, end=None, occurred_at=start)]


def test_nothing_happened_before_a_first_event() -> None:
    past = history_context([], episode=1, occurred_at=NOW)

    assert (past.times_fired, past.median_duration, past.last_resolved_at, past.flaps_per_hour) == (0, None, None, 0.0)


def test_only_turns_of_the_last_day_are_flaps() -> None:
    turns = [*_episode(NOW - HOUR, 60), *_episode(NOW - 30 * HOUR, 60)]

    past = history_context(turns, episode=3, occurred_at=NOW)

    assert past.flaps_per_hour == 2 / 24
    assert past.times_fired == 2
    assert past.last_resolved_at == Instant(NOW - HOUR + 60)


def test_more_turns_than_are_looked_at_tell_their_own_rate() -> None:
    turns = [turn for minute in range(1, TURNS // 2 + 1) for turn in _episode(NOW - minute * HOUR // 60, 1)]

    past = history_context(turns, episode=999, occurred_at=NOW)

    assert past.flaps_per_hour == TURNS * 60 / (TURNS // 2)


def test_the_median_lies_between_two_in_the_middle() -> None:
    turns = [*_episode(NOW - HOUR, 10), *_episode(NOW - 2 * HOUR, 20)]

    assert history_context(turns, episode=3, occurred_at=NOW).median_duration == timedelta(microseconds=15)
