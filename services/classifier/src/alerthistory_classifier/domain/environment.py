"""Where an alert comes from: production, staging, development or a sandbox."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from alerthistory_classifier.domain.evidence import Evidence, Votes
from alerthistory_classifier.domain.subject import Subject, words


class Environment(StrEnum):
    """A kind of environment."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    SANDBOX = "sandbox"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An environment, and the label that says so."""

    environment: Environment
    said_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRules:
    """Which words in which *labels*, the surest first, name which kind of environment, and what that says.

    When none of them does, any other label may, for other kinds than production.
    """

    labels: Sequence[str]
    kinds: Mapping[Environment, AbstractSet[str]]
    votes: Mapping[Environment, Votes]

    def place(self, subject: Subject) -> Place:
        """Return where the alert comes from, as far as its labels say."""
        others = [label for label in subject.labels if label not in self.labels and label not in _NO_PLACE]
        return (
            self._named(subject, self.labels, self.kinds)
            or self._named(
                subject, others, {kind: each for kind, each in self.kinds.items() if kind is not _PRODUCTION}
            )
            or Place(environment=Environment.UNKNOWN)
        )

    def says(self, place: Place) -> Evidence | None:
        """Return what it says that an alert comes from *place*, None when nobody knows where that is."""
        if place.environment is Environment.UNKNOWN:
            return None
        return Evidence(
            rule=f"environment-{place.environment.value}",
            because=f"{place.said_by} is {_NAMES[place.environment]}",
            votes=self.votes.get(place.environment, Votes()),
        )

    def _named(
        self, subject: Subject, labels: Sequence[str], kinds: Mapping[Environment, AbstractSet[str]]
    ) -> Place | None:
        for label in labels:
            found = set(words(subject.labels.get(label, "")))
            for environment, known in kinds.items():
                if found & known:
                    return Place(environment=environment, said_by=f"{label} {subject.labels[label][:80]!r}")
        return None


_PRODUCTION = Environment.PRODUCTION
_NO_PLACE = frozenset({"alertname", "severity", "priority", "summary", "description", "message", "condition", "kind"})
_NAMES = {
    Environment.PRODUCTION: "production",
    Environment.STAGING: "a staging environment",
    Environment.DEVELOPMENT: "a development environment",
    Environment.SANDBOX: "a test environment",
}
