"""A person's word on an alert: kept beside the verdicts, and shown among them."""

from collections.abc import Sequence

from alerthistory_classifier.application.overrides import Overrides, verdict_of
from alerthistory_classifier.ports import Classification, Override, Place, VerdictStore
from alerthistory_common.alerts import Fingerprint, Severity
from alerthistory_common.clock import Clock


class Overriding:
    """Sets and removes overrides."""

    def __init__(self, overrides: Overrides, store: VerdictStore, *, clock: Clock) -> None:
        self._overrides = overrides
        self._store = store
        self._clock = clock

    async def set(
        self, fingerprint: Fingerprint, severity: Severity, *, author: str, reason: str, alert_name: str
    ) -> Override:
        """Return the override, durably kept; raise StoreUnavailableError when that cannot be done."""
        known = await self._store.find(fingerprint)
        override = Override(
            fingerprint=fingerprint,
            alert_name=alert_name or (known.alert_name if known else ""),
            severity=severity,
            author=author,
            reason=reason,
            created_at=self._clock.now(),
        )
        await self._overrides.keep(override)
        shown = Classification(
            fingerprint=fingerprint,
            alert_name=override.alert_name,
            verdict=verdict_of(override),
            created_at=override.created_at,
        )
        await self._store.keep([shown])
        return override

    async def remove(self, fingerprint: Fingerprint, *, author: str) -> None:
        """Remove the override of an alert; raise OverrideNotFoundError when there is none."""
        await self._overrides.remove(fingerprint, author=author)

    async def page(self, *, after: Place | None, limit: int) -> Sequence[Override]:
        """Return a page of overrides, newest first."""
        return await self._overrides.page(after=after, limit=limit)
