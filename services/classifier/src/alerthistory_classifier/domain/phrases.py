"""What the name and the texts of an alert speak of, in the phrases that people use."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alerthistory_classifier.domain.evidence import Evidence
from alerthistory_classifier.domain.patterns import Groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Patterns of which *any* must match, and none of *unless*, and what they say."""

    any: Sequence[str]
    unless: Sequence[str] = ()
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseRules:
    """All phrases. Raises ValueError for a pattern that RE2 does not take."""

    phrases: Sequence[Phrase]
    _groups: Groups = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_groups", Groups([(each.any, each.unless) for each in self.phrases]))

    def found(self, text: str) -> list[Evidence]:
        """Return what the lower-case *text* speaks of, one piece of evidence for each group."""
        weightiest: dict[str, Evidence] = {}
        for number in self._groups.fitting(text):
            phrase = self.phrases[number]
            known = weightiest.get(phrase.evidence.group)
            if known is None or _force(phrase.evidence) > _force(known):
                weightiest[phrase.evidence.group] = phrase.evidence
        return list(weightiest.values())


def _force(evidence: Evidence) -> tuple[float, float]:
    return evidence.votes.weight, evidence.votes.critical
