"""JSON and times as the legacy interface writes them."""

from datetime import UTC, datetime

import pytest

from alerthistory_gateway.legacy.rendering import iso_naive, json_text
from alerthistory_gateway.routes.report import days_before


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None]}, b'{"b":1,"a":[true,null]}'),
        ('"\\/\x00\x1f\b\f\n\r\t', b'"\\"\\\\/\\u0000\\u001f\\b\\f\\n\\r\\t"'),
        ("\x7f\x85\u2028\u2029\u0430\U0001f525", "\"\x7f\x85\u2028\u2029\u0430\U0001f525\"".encode()),
        ([1.0, 1e-7, 9.4e-5, -0.0, 1795443827.8456595], b"[1.0,1e-07,9.4e-05,-0.0,1795443827.8456595]"),
        (10**30, b"1000000000000000000000000000000"),
        ([float("nan"), {"a": (float("inf"), 1.5)}], b'[null,{"a":[null,1.5]}]'),
        ("a\ud800b", "\"a\ufffdb\"".encode()),
    ],
)  # fmt: skip
def test_json(value: object, expected: bytes) -> None:
    assert json_text(value) == expected


def test_naive_times_drop_a_fraction_of_zero() -> None:
    assert iso_naive(datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2025-01-02T03:04:05"
    assert iso_naive(datetime(2025, 1, 2, 3, 4, 5, 120, tzinfo=UTC)) == "2025-01-02T03:04:05.000120"


def test_days_before_stay_inside_the_calendar() -> None:
    now = datetime(2025, 1, 2, tzinfo=UTC)
    assert days_before(now, 1) == datetime(2025, 1, 1, tzinfo=UTC)
    assert days_before(now, 10**12).year == 1
    assert days_before(now, -(10**30)).year == 9999
