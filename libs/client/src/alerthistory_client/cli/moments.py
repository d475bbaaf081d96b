"""Times and spans of time, as people write them on a command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock

_SPAN = re.compile(r"(\d{1,9})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SpanType(click.ParamType[timedelta]):
    """A span of time: a number and its unit."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the span."""
        if isinstance(value, timedelta):
            return value
        try:
            return _span(str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no span of time: write 30s, 5m, 2h, 7d or 1w", param, ctx)


class MomentType(click.ParamType[Instant]):
    """A time: ISO 8601, or how long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        """Return the moment; a time without an offset is UTC."""
        if isinstance(value, Instant):
            return value
        try:
            return _moment(str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: write 2h, 7d or 2026-11-25T14:00:00Z", param, ctx)


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _moment(text: str) -> Instant:
    if _SPAN.fullmatch(text):
        return Instant.from_datetime(SystemClock().now().to_datetime() - _span(text))
    moment = datetime.fromisoformat(text)
    return Instant.from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
