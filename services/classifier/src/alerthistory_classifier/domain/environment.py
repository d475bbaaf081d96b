"""Where an alert comes from: production, staging, development or a sandbox."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from alerthistory_classifier.domain.subject import Subject, words


class Environment(StrEnum):
    """A kind of environment."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    SANDBOX = "sandbox"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an environment does to an alert: *shift* is added to its urgency, *noise* counts towards noise."""

    shift: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An environment, and the label that says so."""

    environment: Environment
    said_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRules:
    """Which words in which *labels*, the surest first, name which kind of environment, and what that does."""

    labels: Sequence[str]
    kinds: Mapping[Environment, AbstractSet[str]]
    effects: Mapping[Environment, Effect]

    def place(self, subject: Subject) -> Place:
        """Return where the alert comes from, as far as its labels say."""
        for label in self.labels:
            found = set(words(subject.labels.get(label, "")))
            for environment, known in self.kinds.items():
                if found & known:
                    return Place(environment=environment, said_by=f"{label} {subject.labels[label][:80]!r}")
        return Place(environment=Environment.UNKNOWN)

    def effect(self, place: Place) -> Effect:
        """Return what it does to an alert to come from *place*."""
        return self.effects.get(place.environment, Effect())
