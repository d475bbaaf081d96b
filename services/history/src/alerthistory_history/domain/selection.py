"""Which alerts a question is about, when no index can tell: by what their labels are not, or by what they say."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alerthistory_common.matchers import Matcher, MatchOp

_WORDS = re.compile(r'"([^"]*)"|([^\s"]+)|"')
_SEARCHED = ("summary", "description")


def search_terms(text: str) -> tuple[str, ...]:
    """Return the words of *text*, and its phrases in double quotes, without regard to case."""
    terms = ((phrase or word).casefold() for phrase, word in _WORDS.findall(text))
    return tuple(dict.fromkeys(term for term in terms if term))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What labels must be, and what an alert must say. Empty: all alerts."""

    matchers: tuple[Matcher, ...] = ()
    terms: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """The labels that alerts must have: those an index knows."""
        return tuple((each.name, each.value) for each in self.matchers if _is_indexed(each))

    @property
    def is_indexed(self) -> bool:
        """Whether an index knows everything."""
        return not self.terms and all(map(_is_indexed, self.matchers))

    def sieve(self) -> "Sieve":
        """Return what looks through alerts for all that no index knows."""
        return Sieve([each for each in self.matchers if not _is_indexed(each)], self.terms)


ALL = Selection()


class Sieve:
    """Looks through many alerts."""

    def __init__(self, matchers: Sequence[Matcher], terms: Sequence[str]) -> None:
        self._matchers = [(each.name, _remembered(each.accepts)) for each in matchers]
        self._terms = terms

    def passes(self, alert_name: str, labels_json: bytes, annotations_json: bytes) -> bool:
        """Whether an alert is one of those looked for."""
        if self._matchers and not self._fits(_texts(labels_json)):
            return False
        return not self._terms or self._says(alert_name, _texts(annotations_json))

    def _fits(self, labels: dict[str, str]) -> bool:
        return all(accepts(labels.get(name, "")) for name, accepts in self._matchers)

    def _says(self, alert_name: str, annotations: dict[str, str]) -> bool:
        spoken = "\n".join((alert_name, *(annotations.get(each, "") for each in _SEARCHED))).casefold()
        return all(term in spoken for term in self._terms)


def _is_indexed(matcher: Matcher) -> bool:
    # A label that must be empty is missing on most alerts, and no index knows what is missing.
    return matcher.op is MatchOp.EQUAL and matcher.value != ""


def _remembered(accepts: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return *accepts* that asks once a value: most labels are the same on many alerts."""
    known: dict[str, bool] = {}

    def remembered(value: str) -> bool:
        found = known.get(value)
        if found is None:
            found = known[value] = accepts(value)
        return found

    return remembered


def _texts(content: bytes) -> dict[str, str]:
    """Return the texts in a JSON object; what is none has none."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
