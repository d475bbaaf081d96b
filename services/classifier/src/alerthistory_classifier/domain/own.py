"""Rules of the operator's own, which come before all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import re2

from alerthistory_classifier.domain.evidence import Evidence, Level
from alerthistory_classifier.domain.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRule:
    """One rule: an alert that meets all of its conditions has this *level*. No condition meets everything.

    ``labels`` are exact values, ``label_patterns`` and ``alert_name`` RE2 patterns for the whole value, ``text`` one
    that the lower-case name and annotations hold somewhere.
    """

    name: str
    level: Level
    confidence: float
    labels: Mapping[str, str]
    label_patterns: Mapping[str, str]
    alert_name: str
    text: str
    because: str
    recommendations: tuple[str, ...]

    def fits(self, subject: Subject) -> bool:
        """Whether *subject* meets every condition."""
        return (
            all(subject.labels.get(name) == value for name, value in self.labels.items())
            and all(
                re2.fullmatch(pattern, subject.labels.get(name, "")) for name, pattern in self.label_patterns.items()
            )
            and (not self.alert_name or re2.fullmatch(self.alert_name, subject.name) is not None)
            and (not self.text or re2.search(self.text, subject.wording) is not None)
        )

    @property
    def evidence(self) -> Evidence:
        """What is shown of it."""
        return Evidence(
            rule=self.name,
            because=self.because or f"the rule {self.name} says so",
            recommendations=self.recommendations,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRules:
    """The rules, in their order: the first that fits decides."""

    rules: Sequence[OwnRule]

    def deciding(self, subject: Subject) -> OwnRule | None:
        """Return the first rule that fits *subject*, None when none does."""
        return next((rule for rule in self.rules if rule.fits(subject)), None)
