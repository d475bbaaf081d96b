"""Pauses that the other side asks for."""

from datetime import timedelta

import pytest

from alerthistory_common.alerts import Instant
from alerthistory_common.retry_after import pause_of, pause_of_ms

NOW = Instant(1_760_000_000_000_000)  # 2025-10-09 08:53:20


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("Thu, 09 Oct 2025 08:53:50 GMT", 30),
        ("Thu, 09 Oct 2025 08:53:50 -0000", 30),
        ("Thu, 09 Oct 2025 08:00:00 GMT", 0),
        ("", 0),
        ("-5", 0),
        ("soon", 0),
        ("1.5", 0),
        ("٣", 0),
        ("9" * 400, 999_999_999),
    ],
)
def test_a_pause_is_seconds_or_a_date(value: str, seconds: float) -> None:
    assert pause_of(value, now=NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("value", "milliseconds"), [("1500", 1500), ("", 0), ("x", 0), ("-1", 0)])
def test_or_milliseconds(value: str, milliseconds: int) -> None:
    assert pause_of_ms(value) == timedelta(milliseconds=milliseconds)
