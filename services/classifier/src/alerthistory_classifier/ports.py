"""What the classifier's use cases need from the outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from alerthistory_classifier.domain.modes import Mode
from alerthistory_common.alerts import Fingerprint, Instant, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The verdict on an alert, as stored. ``metadata_json`` is what else the judge said: an object, or empty."""

    fingerprint: Fingerprint
    alert_name: str
    verdict: Verdict
    created_at: Instant
    metadata_json: bytes = b""


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

    async def count(self) -> int:
        """Return how many verdicts are stored."""
        ...


class ModeStore(Protocol):
    """Keeps the mode that was set. Raises StoreUnavailableError while the database is away."""

    async def find_mode(self) -> Mode | None:
        """Return the mode that was set, None when nobody has."""
        ...

    async def keep_mode(self, mode: Mode, *, at: Instant) -> None:
        """Keep *mode*, durably."""
        ...
