"""Active times as people write them: ``{days: [mon, wed-fri], from: "08:00", to: "18:00", time_zone: Asia/Tokyo}``."""

import re
from collections.abc import Sequence
from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alerthistory_publisher.domain.active_times import ActiveTime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MIDNIGHT = "24:00"


def days_of(text: str) -> frozenset[int]:
    """Return the days, 0 is Monday, in a day or a span such as ``fri-mon``; raise ValueError when it is none."""
    first, dash, last = text.strip().lower().partition("-")
    last = last if dash else first
    if first not in DAYS or last not in DAYS:
        raise ValueError(f"must be a day or a span of days, of {', '.join(DAYS)}")
    start, end = DAYS.index(first), DAYS.index(last)
    return frozenset((start + offset) % 7 for offset in range((end - start) % 7 + 1))


def clock_time(text: str) -> time:
    """Return the time of day ``HH:MM``; 24:00 is the next midnight. Raise ValueError when it is none."""
    if text == _MIDNIGHT:
        return time(0)
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError("must be a time such as 08:00, in quotes")
    return time(int(found[1]), int(found[2]))


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of this name; raise ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("must be the name of a time zone, such as Europe/Berlin") from error


def _valid_days(text: str) -> str:
    days_of(text)
    return text


def _valid_time(text: str) -> str:
    clock_time(text)
    return text


def _valid_zone(text: str) -> str:
    zone_of(text)
    return text


_Time = Annotated[str, AfterValidator(_valid_time)]


class ActiveTimeEntry(BaseModel):
    """One active time, as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    days: Sequence[Annotated[str, AfterValidator(_valid_days)]] = Field(DAYS, min_length=1)
    start: _Time = Field("00:00", alias="from")
    end: _Time = Field("24:00", alias="to")
    time_zone: Annotated[str, AfterValidator(_valid_zone)] = "UTC"


def active_time(entry: ActiveTimeEntry) -> ActiveTime:
    """Return the active time that *entry* describes."""
    return ActiveTime(
        days=frozenset(day for text in entry.days for day in days_of(text)),
        start=clock_time(entry.start),
        end=clock_time(entry.end),
        zone=zone_of(entry.time_zone),
    )
