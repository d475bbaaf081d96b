"""Times as senders write them."""

import re
from datetime import UTC, datetime, timedelta

from alerthistory_common.alerts import Instant
from alerthistory_ingest.domain.json_text import Json, kind_of
from alerthistory_ingest.domain.payload import BrokenAlertError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SYNTAX = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:([Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:?[0-5][0-9])?)?"
)


def read_time(value: Json, *, field: str) -> Instant:
    """Return the instant that *value* stands for: a text in one of the contract's forms, or Unix seconds.

    Fractions beyond nanoseconds are cut off. Raises BrokenAlertError, naming *field*, for anything else and for times
    that are not in the years 1 to 9999 of UTC.
    """
    if not isinstance(value, str | int | float):
        raise BrokenAlertError(f"{field} must be a time, not {kind_of(value)}")
    try:
        return _read_text(value) if isinstance(value, str) else _read_seconds(value)
    except (ValueError, OverflowError) as error:
        raise BrokenAlertError(f"{field} is not a time: {_shown(value)}") from error


def _read_seconds(seconds: float) -> Instant:
    return Instant.from_datetime(_EPOCH + timedelta(seconds=seconds))


def _read_text(text: str) -> Instant:
    found = _SYNTAX.fullmatch(text)
    if found is None:
        return _read_seconds(float(text))
    year, month, day, separator, hour, minute, second, fraction, zone = found.groups()
    if separator == " " and (fraction or zone):
        raise ValueError("the form with a space has neither fraction nor zone")
    local = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
    whole = Instant.from_datetime(local - _offset(zone))
    digits = (fraction or "")[:9].ljust(9, "0")
    return Instant(whole.micros + int(digits[:6]), int(digits[6:]))


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta(0)
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    if offset >= timedelta(days=1):
        raise ValueError("an offset is less than a day")
    return -offset if zone[0] == "-" else offset


def _shown(value: str | float) -> str:
    """Return the beginning of *value*: a text may have millions of characters, an integer thousands of digits."""
    return ascii(value[:60] if isinstance(value, str) else value)[:80]
