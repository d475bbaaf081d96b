"""When a target may be told: over midnight, and while the clocks change."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from alerthistory_publisher.domain.active_times import ActiveTime, next_active

BERLIN = ZoneInfo("Europe/Berlin")
ALL = frozenset(range(7))
WORK = frozenset(range(5))


def span(start: str, end: str, *, days: frozenset[int] = ALL, zone: ZoneInfo = BERLIN) -> ActiveTime:
    return ActiveTime(days=days, start=time.fromisoformat(start), end=time.fromisoformat(end), zone=zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-07-06 05:59:59", "2026-07-06 06:00"),  # Monday, 07:59:59 in Berlin.
        ("2026-07-06 06:00", "2026-07-06 06:00"),
        ("2026-07-06 15:59:59", "2026-07-06 15:59:59"),
        ("2026-07-06 16:00", "2026-07-07 06:00"),
        ("2026-07-10 16:00", "2026-07-13 06:00"),  # Friday evening.
        ("2026-01-05 06:59", "2026-01-05 07:00"),  # In winter.
    ],
)
def test_office_hours_begin_when_the_clock_says_so(at: str, expected: str) -> None:
    assert next_active([span("08:00", "18:00", days=WORK)], utc(at)) == utc(expected)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-07-03 21:00", "2026-07-03 21:00"),  # Friday, 23:00.
        ("2026-07-04 03:59", "2026-07-04 03:59"),  # Saturday, 05:59, is Friday's night.
        ("2026-07-04 04:00", "2026-07-10 20:00"),
    ],
)
def test_an_end_before_the_start_is_on_the_next_day(at: str, expected: str) -> None:
    assert next_active([span("22:00", "06:00", days=frozenset({4}))], utc(at)) == utc(expected)


def test_equal_start_and_end_are_a_whole_day() -> None:
    sunday = span("00:00", "00:00", days=frozenset({6}), zone=ZoneInfo("UTC"))
    assert next_active([sunday], utc("2026-07-05 23:59:59")) == utc("2026-07-05 23:59:59")
    assert next_active([sunday], utc("2026-07-06 00:00")) == utc("2026-07-12 00:00")


def test_clocks_that_go_forward_shorten_the_night_and_those_that_go_back_lengthen_it() -> None:
    night = [span("01:00", "04:00", days=frozenset({6}))]
    # 29 March 2026: 02:00 is followed by 03:00; from 00:00 to 02:00 UTC.
    assert next_active(night, utc("2026-03-29 01:59")) == utc("2026-03-29 01:59")
    assert next_active(night, utc("2026-03-29 02:00")) == utc("2026-04-04 23:00")
    # 25 October 2026: 03:00 is followed by 02:00; from 23:00 to 03:00 UTC.
    assert next_active(night, utc("2026-10-25 02:59")) == utc("2026-10-25 02:59")
    assert next_active(night, utc("2026-10-25 03:00")) == utc("2026-11-01 00:00")


def test_a_time_that_the_clocks_leave_out_is_over_before_it_begins() -> None:
    gap = span("02:15", "03:00", days=frozenset({6}))
    assert next_active([gap], utc("2026-03-29 00:30")) == utc("2026-04-05 00:15")


def test_a_moment_in_the_zone_itself_means_what_it_means_in_utc() -> None:
    # The second 02:30 of that night, when 03:00 has not come for the second time.
    at = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)
    assert next_active([span("02:00", "02:45")], at) == utc("2026-10-26 01:00")
    assert next_active([span("02:45", "04:00")], at) is at


def test_the_earliest_of_several_counts_and_none_is_always() -> None:
    times = [span("08:00", "09:00"), span("07:00", "07:30")]
    assert next_active(times, utc("2026-07-06 00:00")) == utc("2026-07-06 05:00")
    assert next_active([], utc("2026-07-06 00:00")) == utc("2026-07-06 00:00")


def test_without_days_there_is_no_next_time() -> None:
    assert next_active([span("08:00", "09:00", days=frozenset())], utc("2026-07-06 00:00")) is None
