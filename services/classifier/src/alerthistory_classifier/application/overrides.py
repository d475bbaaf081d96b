"""What people said about alerts: known to every replica within a second, and while the database is away."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from alerthistory_classifier.application.patience import Patience
from alerthistory_classifier.ports import Override, OverrideStore, Place
from alerthistory_common.alerts import Fingerprint, Verdict
from alerthistory_common.errors import AlertHistoryError, NotFoundError

_LOG = structlog.get_logger(__name__)
_FRESH_S = 0.5
_READ_LIMIT_S = 0.5
SOURCE = "override"


class OverrideNotFoundError(NotFoundError):
    """Nobody overrides verdicts on the alert."""

    reason = "OVERRIDE_NOT_FOUND"


class Overrides:
    """Holds all overrides in memory, and looks twice a second whether they changed."""

    def __init__(self, store: OverrideStore, *, patience: Patience) -> None:
        self._store = store
        self._patience = patience
        self._known: Mapping[Fingerprint, Override] = {}
        self._version: tuple[int, int] | None = None
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()
        self._is_failing = False

    async def known(self) -> Mapping[Fingerprint, Override]:
        """Return the overrides in force, by alert; while the database is away, the last ones known."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._fresh_until:
            async with self._reading:
                if loop.time() >= self._fresh_until:
                    await self._refresh()
                    self._fresh_until = loop.time() + _FRESH_S
        return self._known

    async def keep(self, override: Override) -> None:
        """Keep *override*, durably; raise StoreUnavailableError when that cannot be done."""
        await self._store.keep_override(override)
        self._fresh_until = 0.0
        _LOG.info(
            "verdict overridden",
            fingerprint=override.fingerprint,
            severity=override.severity.value,
            author=override.author,
        )

    async def remove(self, fingerprint: Fingerprint, *, author: str) -> None:
        """Remove the override of an alert, durably; raise OverrideNotFoundError when there is none."""
        if not await self._store.remove_override(fingerprint):
            raise OverrideNotFoundError("nobody overrides verdicts on this alert")
        self._fresh_until = 0.0
        _LOG.info("override removed", fingerprint=fingerprint, author=author)

    async def page(self, *, after: Place | None, limit: int) -> Sequence[Override]:
        """Return a page of overrides, newest first."""
        return await self._store.page_of_overrides(after=after, limit=limit)

    async def _refresh(self) -> None:
        try:
            version = await self._patience.wait(self._store.overrides_version(), limit_s=_READ_LIMIT_S)
            if version != self._version:
                found = await self._patience.wait(self._all(), limit_s=_READ_LIMIT_S)
                self._known, self._version = {each.fingerprint: each for each in found}, version
        except AlertHistoryError as error:
            if not self._is_failing:
                _LOG.warning("overrides cannot be read; the last ones known stay in force", error=error.message)
            self._is_failing = True
        else:
            self._is_failing = False

    async def _all(self) -> Sequence[Override]:
        return await self._store.all_overrides()


def verdict_of(override: Override) -> Verdict:
    """Return the verdict that *override* is."""
    return Verdict(
        severity=override.severity,
        confidence=1.0,
        reasoning=f"{override.author} says so: {override.reason}",
        source=SOURCE,
        processing_time=timedelta(0),
    )
