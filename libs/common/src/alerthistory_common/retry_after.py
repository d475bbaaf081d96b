"""The header Retry-After (RFC 9110: seconds, or a date), and what OpenAI's kin say in milliseconds."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from alerthistory_common.alerts import Instant

_MAX_DIGITS = 9


def pause_of(value: str, *, now: Instant) -> timedelta:
    """Return the pause that *value* asks for; nothing when it asks for none, or cannot be read."""
    text = value.strip()
    wanted = timedelta(seconds=int(text[:_MAX_DIGITS])) if _is_count(text) else _until(text, now)
    return max(wanted, timedelta(0))


def pause_of_ms(value: str) -> timedelta:
    """Return the pause that *value*, in milliseconds, asks for."""
    text = value.strip()
    return timedelta(milliseconds=int(text[:_MAX_DIGITS])) if _is_count(text) else timedelta(0)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _until(text: str, now: Instant) -> timedelta:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return timedelta(0)
    return _aware(moment) - now.to_datetime()


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
