"""What the sender says: the severity label, in the words that are in use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerthistory_classifier.domain.evidence import Evidence, Level
from alerthistory_classifier.domain.subject import Subject

_CRITICAL = 2.7


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRules:
    """In which *labels* the severity stands, and how urgent which of their *words* is. Words are in lower case.

    ``told`` are labels whose values are read with the texts.
    """

    labels: Sequence[str]
    told: Sequence[str]
    words: Mapping[str, float]
    weight: float

    def says(self, subject: Subject) -> Evidence | None:
        """Return what the first label with a known word says, None when there is none."""
        for label in self.labels:
            word = subject.labels.get(label, "").strip().lower()
            if (urgency := self.words.get(word)) is not None:
                return Evidence(
                    rule=f"label-{_level(urgency).name.lower()}",
                    because=f"its sender calls it {label} {word!r}",
                    urgency=urgency,
                    weight=self.weight,
                )
        return None


def is_critical(says: Evidence | None) -> bool:
    """Whether the sender wants somebody woken."""
    return says is not None and says.urgency >= _CRITICAL


def _level(urgency: float) -> Level:
    return Level(min(max(round(urgency), Level.INFO), Level.CRITICAL))
