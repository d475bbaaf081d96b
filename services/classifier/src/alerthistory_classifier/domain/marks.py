"""Explicit signs that an alert is never worth anyone's time."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from alerthistory_classifier.domain.evidence import Evidence, Votes
from alerthistory_classifier.domain.patterns import Patterns
from alerthistory_classifier.domain.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRules:
    """The *names* of meta alerts in lower case, *labels* that name a parent, and *patterns* that texts match."""

    names: AbstractSet[str]
    labels: Sequence[str]
    patterns: Sequence[str]
    votes: Votes
    _patterns: Patterns = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_patterns", Patterns(self.patterns))

    def found(self, subject: Subject) -> list[Evidence]:
        """Return the first sign, if there is any."""
        if subject.name.lower() in self.names:
            return [
                Evidence(
                    rule="meta-alert",
                    because=f"{subject.name} fires always or for other alerts' sake and asks nothing of anybody",
                    votes=self.votes,
                    recommendations=("Route it to a dead man's switch or inhibit with it; do not show it to people.",),
                )
            ]
        for label in self.labels:
            if subject.labels.get(label, "").strip().lower() not in {"", "false", "0", "none"}:
                return [self._marked(f"its label {label} says {subject.labels[label][:80]!r}")]
        if self._patterns.matching(subject.wording):
            return [self._marked("its text says that it is nothing, a test, or another alert's child")]
        return []

    def _marked(self, because: str) -> Evidence:
        return Evidence(
            rule="marked",
            because=because,
            votes=self.votes,
            recommendations=("Mend or remove the rule, or let Alertmanager inhibit it.",),
        )
