"""Times: every form of the contract, nothing else, and never an overflow."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common.alerts import ZERO_TIME, Instant
from alerthistory_ingest.domain.payload import BrokenAlertError
from alerthistory_ingest.domain.timestamps import read_time

_DAY = timedelta(days=1)


def _read(value: Any) -> Instant:
    return read_time(value, field="startsAt")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01t00:00:00z", "2025-01-01T00:00:00+00:00"),
        ("2025-1-5T1:2:3Z", "2025-01-05T01:02:03+00:00"),
        ("2025-01-01T00:00:01.5Z", "2025-01-01T00:00:01.500000+00:00"),
        ("2025-01-01T05:30:04+05:30", "2025-01-01T00:00:04+00:00"),
        ("2025-01-01T00:00:05.25-08:00", "2025-01-01T08:00:05.250000+00:00"),
        ("2025-01-01T00:00:06+0300", "2024-12-31T21:00:06+00:00"),
        ("2025-01-01T00:00:06", "2025-01-01T00:00:06+00:00"),
        ("2025-01-01T00:00:06.7", "2025-01-01T00:00:06.700000+00:00"),
        ("2025-01-01 00:00:07", "2025-01-01T00:00:07+00:00"),
        ("2025-01-02", "2025-01-02T00:00:00+00:00"),
        ("1735689609.75", "2025-01-01T00:00:09.750000+00:00"),
        ("1e3", "1970-01-01T00:16:40+00:00"),
        ("-5", "1969-12-31T23:59:55+00:00"),
        (1735689611.125, "2025-01-01T00:00:11.125000+00:00"),
        (-1, "1969-12-31T23:59:59+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
        (True, "1970-01-01T00:00:01+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("0001-01-01T00:00:00-14:00", "0001-01-01T14:00:00+00:00"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_forms_of_the_contract(text: object, shown: str) -> None:
    assert _read(text).iso_utc() == shown


@pytest.mark.parametrize(
    "value",
    [
        "not a time",
        "",
        "2025-01-01T",
        "2025-01-01T00:00Z",
        "2025-01-01T00:00:00 Z",
        "2025-01-01T00:00:00.Z",
        "2025-01-01 00:00:00Z",
        "2025-01-01 00:00:00.5",
        "2025-01-01T00:00:00+24:00",
        "2025-01-01T00:00:00+00:60",
        "2025-01-01T00:00:00+1:00",
        "2025-01-01T24:00:00Z",
        "2025-01-01T23:59:60Z",
        "2025-02-29T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٥-٠١-٠١T٠٠:٠٠:٠٠Z",
        "nan",
        "inf",
        "1e999",
        float("nan"),
        float("-inf"),
        10**400,
        -(10**15),
        None,
        [],
        {},
    ],
)
def test_anything_else_is_broken_with_a_reason(value: object) -> None:
    with pytest.raises(BrokenAlertError, match=r"^startsAt ") as caught:
        _read(value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("fraction", "micros", "nanos"),
    [
        ("9", 900_000, 0),
        ("123456", 123_456, 0),
        ("1234567", 123_456, 700),
        ("647672983", 647_672, 983),
        ("000000001", 0, 1),
        ("9999999999999", 999_999, 999),
        ("1" * 10_000, 111_111, 111),
    ],
)
def test_fractions_are_cut_never_rounded(fraction: str, micros: int, nanos: int) -> None:
    for second, base in (("1970-01-01T00:00:00", 0), ("1969-12-31T23:59:59", -1_000_000)):
        assert _read(f"{second}.{fraction}Z") == Instant(base + micros, nanos)


def test_the_zero_time_of_go_is_the_zero_time() -> None:
    assert _read("0001-01-01T00:00:00Z") == ZERO_TIME


@given(
    st.datetimes(timezones=st.just(UTC), min_value=datetime.min + _DAY, max_value=datetime.max - _DAY),  # noqa: DTZ901  # Hypothesis wants naive bounds.
    st.integers(min_value=-23 * 60 - 59, max_value=23 * 60 + 59),
)
def test_every_datetime_is_read_as_python_wrote_it(moment: datetime, offset_minutes: int) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=offset_minutes)))
    assert _read(local.isoformat()) == Instant.from_datetime(moment)


@given(st.floats(min_value=-62_000_000_000, max_value=250_000_000_000))
def test_unix_seconds_are_read_as_python_reads_them(seconds: float) -> None:
    assert _read(seconds) == _read(repr(seconds)) == Instant.from_datetime(datetime.fromtimestamp(seconds, UTC))


@given(
    st.text() | st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.[0-9:.]*[+Zz-]?[0-9:]*") | st.floats() | st.integers()
)
def test_reading_is_total(value: object) -> None:
    try:
        found = _read(value)
    except BrokenAlertError:
        return
    assert ZERO_TIME <= found <= Instant.from_datetime(datetime.max.replace(tzinfo=UTC))._replace(nanos=999)
    assert 0 <= found.nanos <= 999
