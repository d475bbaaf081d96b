"""Label matchers with Alertmanager's meaning: ``severity="critical"``, ``pod=~"web-.*"``, ``team!=""``.

A missing label is the empty text. Regular expressions match the whole value and are RE2's, whose time grows with the
length of the value only, so that no expression of a caller can stall the service.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

import re2

_LONGEST = 4096
_MAX_MEMORY = 1 << 20
# The longer operators come first, or `=~"a"` would be read as equal to `~"a"`.
_SYNTAX = re.compile(r"\s*(?P<name>[^\s=!~\"{},]+)\s*(?P<op>=~|!=|!~|=)\s*(?P<value>.*?)\s*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n"}
_LONE_QUOTE = re.compile(r'(?:[^\\]|\\.)*?"', re.DOTALL)


class MatchOp(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"

    @property
    def is_regex(self) -> bool:
        """Whether the value is a regular expression."""
        return self in {MatchOp.REGEX, MatchOp.NOT_REGEX}

    @property
    def is_negative(self) -> bool:
        """Whether labels match that do not compare."""
        return self in {MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX}


@dataclass(frozen=True, slots=True)
class Matcher:
    """What one label must be. Raises ValueError, for a person, when it has no name or no sound expression."""

    name: str
    op: MatchOp
    value: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a matcher needs the name of a label")
        if len(self.value) > _LONGEST:
            raise ValueError(f"the matcher of {self.name[:64]!r} is longer than {_LONGEST} characters")
        if self.op.is_regex:
            _expression(self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        r"""Return the matcher that amtool writes as *text*: ``name="value"``, or ``name=value`` without quotes.

        In the value ``\"``, ``\\`` and ``\n`` stand for a quote, a backslash and a new line; other
        backslashes are themselves, as regular expressions need them.
        """
        found = _SYNTAX.fullmatch(text)
        if found is None:
            raise ValueError(f'{text[:200]!r} is no matcher: write name="value", with =, !=, =~ or !~')
        return cls(found["name"], MatchOp(found["op"]), _unquoted(found["value"], text))

    def matches(self, labels: Mapping[str, Any]) -> bool:
        """Whether *labels* meet this matcher. A value that is no text counts as missing."""
        value = labels.get(self.name, "")
        return self.accepts(value if isinstance(value, str) else "")

    def accepts(self, value: str) -> bool:
        """Whether the label may have *value*."""
        compares = _fits(self.value, value) if self.op.is_regex else value == self.value
        return compares is not self.op.is_negative

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.op.value}"{value}"'


def _unquoted(value: str, whole: str) -> str:
    if value.startswith('"'):
        if len(value) < 2 or not value.endswith('"'):
            raise ValueError(f"{whole[:200]!r} is no matcher: the closing quote is missing")
        value = value[1:-1]
    if _LONE_QUOTE.match(value) or (len(value) - len(value.rstrip("\\"))) % 2:
        raise ValueError(
            f'{whole[:200]!r} is no matcher: write quotes and a last backslash inside the value as \\" and \\\\'
        )
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[0]), value)


@lru_cache(maxsize=256)
def _expression(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else "it cannot be read"
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else why
        raise ValueError(f"{pattern[:200]!r} is no regular expression: {why}") from error
    except UnicodeEncodeError as error:
        raise ValueError(f"{pattern[:200]!r} is no regular expression: it is no Unicode text") from error


def _fits(pattern: str, value: str) -> bool:
    # RE2 reads UTF-8, which has no lone surrogates; JSON does.
    sound = value.encode("utf-8", "replace").decode()
    return _expression(pattern).fullmatch(sound) is not None
