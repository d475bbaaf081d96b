"""Texts for people: what a terminal shows as it is, ages in words, sizes.

Alerts come from elsewhere. A control character, an ANSI sequence or a bidirectional override in one of them must not
move the cursor, colour the screen or reorder what is read: each is shown as its escape instead.
"""

import unicodedata
from datetime import timedelta

from alerthistory_common.alerts import Instant

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Control, format (bidi, zero width, tags), surrogate, private use, unassigned, line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LONGEST = 400


def safe(text: str, *, limit: int = _LONGEST) -> str:
    """Return *text* in one line, with everything that is not plainly visible escaped, cut after *limit* characters."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(_escaped(each) if unicodedata.category(each) in _UNSAFE else each for each in cut)


def safe_lines(text: str, *, limit: int = _LONGEST) -> list[str]:
    """Return the lines of *text*, each made safe. Indent them: they may look like lines of ours."""
    return [safe(line, limit=limit) for line in text.strip().replace("\r\n", "\n").split("\n")]


def in_words(span: timedelta) -> str:
    """Return *span* in the largest unit that fits, such as ``12 minutes``; spans below a second are ``a moment``."""
    seconds = int(span.total_seconds())
    if seconds < 1:
        return "a moment"
    for unit, size, until in (
        ("second", 1, 2 * _MINUTE),
        ("minute", _MINUTE, 2 * _HOUR),
        ("hour", _HOUR, 2 * _DAY),
    ):
        if seconds < until:
            return counted(seconds // size, unit)
    return counted(seconds // _DAY, "day")


def age(moment: Instant, now: Instant) -> str:
    """Return how long ago *moment* was, in words; a moment that is yet to come is ``in …``."""
    span = timedelta(microseconds=now.micros - moment.micros)
    return f"in {in_words(-span)}" if span < timedelta(0) else in_words(span)


def clock(moment: Instant) -> str:
    """Return *moment* as ``YYYY-MM-DDTHH:MM:SSZ``."""
    return moment.to_datetime().strftime("%Y-%m-%dT%H:%M:%SZ")


def size(count: int) -> str:
    """Return a number of bytes with its unit, such as ``1.2 MB``."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def counted(count: int, noun: str) -> str:
    """Return *count* with its noun in the right number, such as ``1 alert``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
