"""Single words, and what they have spoken for in labelled alerts: what no phrase says outright."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from alerthistory_classifier.domain.evidence import Evidence, Votes

_STEM = 6
_MAX_TOKENS = 400
_SHOWN = 3
# What numbers mean is measured, and words of two letters mean nothing by themselves, but for "no".
_TOKEN = re.compile(r"[^\W\d_]{3,}|\bno\b")
_NAMES = ("critical", "warning", "info", "noise")


def stems(text: str) -> frozenset[str]:
    """Return the stems of the words in the lower-case *text*."""
    found = zip(_TOKEN.finditer(text), range(_MAX_TOKENS), strict=False)
    return frozenset(match[0][:_STEM] for match, _ in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The votes of stems, learned from labelled alerts (see ``tests.evaluation.learn``)."""

    votes: Mapping[str, Votes]

    def says(self, text: str) -> Evidence | None:
        """Return what the words of the lower-case *text* say together, None when none is known."""
        known = {stem: votes for stem in stems(text) if (votes := self.votes.get(stem)) is not None}
        if not known:
            return None
        total = reduce(Votes.plus, known.values())
        leading = max(range(len(total)), key=lambda number: total[number])
        words = sorted(known, key=lambda stem: (-known[stem][leading], stem))[:_SHOWN]
        return Evidence(
            rule="wording", because=f"its words ({', '.join(words)}, …) sound {_NAMES[leading]}", votes=total
        )
