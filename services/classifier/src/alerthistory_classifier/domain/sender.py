"""What the sender says: the severity label, in the words that are in use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerthistory_classifier.domain.evidence import Evidence, Level, Votes
from alerthistory_classifier.domain.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderWord:
    """What a word of a severity label means: the level that its sender has in mind, and the votes that are given."""

    level: Level
    votes: Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRules:
    """In which *labels* the severity stands, and what which of their *words*, in lower case, means.

    ``told`` are labels whose values are read with the texts.
    """

    labels: Sequence[str]
    told: Sequence[str]
    words: Mapping[str, SenderWord]

    def level(self, subject: Subject) -> Level | None:
        """Return the level that the sender has in mind, None when it does not say."""
        said = self._said(subject)
        return None if said is None else said[1].level

    def says(self, subject: Subject) -> Evidence | None:
        """Return what the first label with a known word says, None when there is none."""
        said = self._said(subject)
        if said is None:
            return None
        label, word = said
        return Evidence(
            rule=f"label-{word.level.name.lower()}",
            because=f"its sender calls it {label} {subject.labels[label].strip().lower()!r}",
            votes=word.votes,
        )

    def _said(self, subject: Subject) -> tuple[str, SenderWord] | None:
        for label in self.labels:
            word = self.words.get(subject.labels.get(label, "").strip().lower())
            if word is not None:
                return label, word
        return None
