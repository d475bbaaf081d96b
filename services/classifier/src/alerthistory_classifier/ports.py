"""What the classifier's use cases need from the outside."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

from alerthistory_classifier.domain.modes import Mode
from alerthistory_common.alerts import Fingerprint, Instant, Verdict

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
