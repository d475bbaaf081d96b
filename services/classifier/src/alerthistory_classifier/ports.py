"""What the classifier's use cases need from the outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

from alerthistory_classifier.domain.modes import Mode
from alerthistory_classifier.domain.opinion import Opinion
from alerthistory_classifier.domain.question import Question
from alerthistory_common.alerts import Fingerprint, Instant, Severity, Verdict
from alerthistory_common.errors import UnavailableError

Place = tuple[int, bytes]
"""Where a verdict stands among all, newest first: when it was given, in microseconds, and its alert's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The verdict on an alert, as stored. ``metadata_json`` is what else the judge said: an object, or empty."""

    fingerprint: Fingerprint
    alert_name: str
    verdict: Verdict
    created_at: Instant
    metadata_json: bytes = b""

    @property
    def place(self) -> Place:
        """Where it stands among all."""
        return self.created_at.micros, sha256(self.fingerprint.encode()).digest()


class VerdictStore(Protocol):
    """Keeps the last verdict of every alert. Raises StoreUnavailableError while the database is away."""

    async def keep(self, classifications: Sequence[Classification]) -> None:
        """Keep each in place of its alert's earlier one, durably; of several about one alert the last."""
        ...

    async def keep_newer(self, classifications: Sequence[Classification]) -> set[Fingerprint]:
        """Keep, durably, each whose alert has no verdict or an earlier one; return whose were kept. One per alert."""
        ...

    async def find(self, fingerprint: Fingerprint) -> Classification | None:
        """Return the stored verdict of an alert, None when it has none."""
        ...

    async def find_all(self, fingerprints: Collection[Fingerprint]) -> Sequence[Classification]:
        """Return the stored verdicts of those of *fingerprints* that have one."""
        ...

    async def page(self, *, min_confidence: float, after: Place | None, limit: int) -> Sequence[Classification]:
        """Return a page of verdicts of at least *min_confidence*, newest first."""
        ...

    async def count(self) -> int:
        """Return how many verdicts are stored."""
        ...


class ModelUnavailableError(UnavailableError):
    """The language model cannot be had for now. ``retry_after`` is the pause that it asks for, if any."""

    reason = "MODEL_UNAVAILABLE"

    def __init__(self, message: str, *, retry_after: timedelta = timedelta(0)) -> None:
        super().__init__(message, retry_after=retry_after)


class LanguageModel(Protocol):
    """A language model. ``url`` is where it is, without credentials."""

    name: str
    url: str

    async def ask(self, question: Question) -> Opinion:
        """Return what it says. Raises ModelUnavailableError, or UnusableAnswerError when that is nothing usable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a person said about an alert, which nobody else's verdict replaces."""

    fingerprint: Fingerprint
    alert_name: str
    severity: Severity
    author: str
    reason: str
    created_at: Instant

    @property
    def place(self) -> Place:
        """Where it stands among all, newest first."""
        return self.created_at.micros, sha256(self.fingerprint.encode()).digest()


class OverrideStore(Protocol):
    """Keeps overrides. Raises StoreUnavailableError while the database is away."""

    async def keep_override(self, override: Override) -> None:
        """Keep it, durably, in place of the alert's earlier one."""
        ...

    async def remove_override(self, fingerprint: Fingerprint) -> bool:
        """Remove the override of an alert, durably; return whether there was one."""
        ...

    async def page_of_overrides(self, *, after: Place | None, limit: int) -> Sequence[Override]:
        """Return a page of overrides, newest first."""
        ...

    async def all_overrides(self) -> Sequence[Override]:
        """Return every override."""
        ...

    async def overrides_version(self) -> tuple[int, int]:
        """Return something that is another after every change."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCounts:
    """What a model did on a day. ``cost`` is in millionths of the currency of the prices."""

    questions: int = 0
    failures: int = 0
    cache_hits: int = 0
    fallbacks: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0

    def plus(self, other: "ModelCounts") -> "ModelCounts":
        """Return the sum."""
        return ModelCounts(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was counted on one day, in days since 1970 (UTC)."""

    verdicts: Mapping[tuple[int, str, Severity], int] = field(default_factory=dict)
    """By day, judge and severity."""
    models: Mapping[tuple[int, str], ModelCounts] = field(default_factory=dict)
    """By day and model."""


class TallyStore(Protocol):
    """Keeps counts, those of all replicas together. Raises StoreUnavailableError while the database is away."""

    async def add(self, tally: Tally) -> None:
        """Add *tally*, durably."""
        ...

    async def total(self, *, since_day: int) -> Tally:
        """Return what was counted from a day on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """Who set which mode; ``previous`` None: nobody had."""

    previous: Mode | None
    mode: Mode
    changed_at: Instant
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMode:
    """The mode that was set. ``is_shared`` is False while the shared place has yet to be told."""

    mode: Mode
    is_shared: bool = True


class ModeStore(Protocol):
    """Keeps the mode that was set. Raises StoreUnavailableError while the database is away."""

    async def find_mode(self) -> KeptMode | None:
        """Return the mode that was set, None when nobody has."""
        ...

    async def keep_mode(self, kept: KeptMode, *, at: Instant) -> None:
        """Keep the mode, durably."""
        ...

    async def change_mode(self, kept: KeptMode, *, at: Instant, author: str) -> None:
        """Keep the mode, and who changed it, durably."""
        ...

    async def mode_changes(self, limit: int) -> Sequence[ModeChange]:
        """Return who changed the mode, newest first."""
        ...


class SharedMode(Protocol):
    """The mode where the replicas, and those of the older service, share it. Raises UnavailableError while away."""

    async def find(self) -> Mode | None:
        """Return the mode, None when there is none that can be used."""
        ...

    async def put(self, mode: Mode) -> None:
        """Set the mode."""
        ...

    async def response_time(self) -> timedelta:
        """Return how long writing and reading took."""
        ...
