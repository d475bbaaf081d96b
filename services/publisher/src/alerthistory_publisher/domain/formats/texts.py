"""Texts that somebody else wrote, made fit to be shown: clean, short enough, and never a trap to click on."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

KEY_LENGTH = 255
"""How long the key of an alert may be at PagerDuty."""

MAX_URL_LENGTH = 2048
_PREFIX_LENGTH = 150
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What turns text around (CVE-2021-42574), hides in it (tag characters), or marks the order of bytes.
_INVISIBLE = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")


def whole(text: str) -> str:
    """Return *text* with U+FFFD for every lone surrogate, which UTF-8 cannot hold and many receivers refuse."""
    return text if text.isascii() else _LONE_SURROGATES.sub("\ufffd", text)


def plain(text: str) -> str:
    """Return *text* without what acts instead of being seen: controls become U+FFFD, overrides of direction vanish.

    Tabs and the ends of lines stay, the latter as line feeds.
    """
    text = _LINE_ENDS.sub("\n", whole(text))
    return _INVISIBLE.sub("", _CONTROLS.sub("\ufffd", text))


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return *value*, as read from JSON, with every text in it changed, the names of fields included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(name): mapped(each, change) for name, each in value.items()}
    return [mapped(each, change) for each in value] if isinstance(value, list) else value


def cut(text: str, length: int) -> str:
    """Return *text*, a longer one than *length* cut and ended by three dots."""
    return text if len(text) <= length else text[: length - 3] + "..."


def one_line(text: str) -> str:
    """Return *text* on one line, with single spaces."""
    return " ".join(text.split())


def percent(confidence: float) -> str:
    """Return *confidence* in whole percent, halves to the even one."""
    return f"{confidence * 100:.0f}%"


def web_link(url: str | None, *, limit: int = MAX_URL_LENGTH) -> str:
    """Return *url* when a person may click on it: it leads to the web and is at most *limit* long. Else empty."""
    if not url or len(url) > limit or any(character.isspace() or not character.isprintable() for character in url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""


def stable_key(fingerprint: str) -> str:
    """Return the key under which receivers know the alert of *fingerprint*: itself, or a hash behind its beginning.

    Hashed are those that are too long for PagerDuty, or hold what is not to be shown.
    """
    if len(fingerprint) <= KEY_LENGTH and fingerprint == plain(fingerprint):
        return fingerprint
    beginning = "".join(character for character in fingerprint if " " < character <= "~")[:_PREFIX_LENGTH]
    return f"{beginning}~{sha256(fingerprint.encode('utf-8', 'surrogatepass')).hexdigest()}"
