"""Where an alert comes from: production, staging, development or a sandbox."""

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
class Place:
    """An environment, and the label that says so."""

    environment: Environment
    said_by: str = ""


# The surest labels first. A cluster's name is a weaker hint than a namespace's.
_LABELS = ("environment", "env", "stage", "namespace", "exported_namespace", "cluster")
# "pre-prod" holds "prod": the first kind whose words appear counts.
_WORDS = (
    (Environment.STAGING, frozenset({"staging", "stage", "stg", "preprod", "pre", "uat", "preproduction"})),
    (Environment.SANDBOX, frozenset({"test", "tests", "testing", "sandbox", "playground", "demo", "e2e", "ci"})),
    (Environment.DEVELOPMENT, frozenset({"dev", "devel", "development", "local", "minikube"})),
    (Environment.PRODUCTION, frozenset({"prod", "production", "prd", "live"})),
)


def place(subject: Subject) -> Place:
    """Return where the alert comes from, as far as its labels say."""
    for label in _LABELS:
        found = set(words(subject.labels.get(label, "")))
        for environment, known in _WORDS:
            if found & known:
                return Place(environment=environment, said_by=f"{label} {subject.labels[label][:80]!r}")
    return Place(environment=Environment.UNKNOWN)
