"""Work that failed rests longer each time."""

from alerthistory_ingest.domain.work import retry_delay


def test_delays_double_up_to_a_minute() -> None:
    delays = [retry_delay(attempt).total_seconds() for attempt in (1, 2, 3, 4, 5, 6, 7, 8, 10**9)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
