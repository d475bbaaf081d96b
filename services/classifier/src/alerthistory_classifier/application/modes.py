"""The enrichment mode in force: where replicas share it, else in the store, else as configured.

The store is told first and is never asked in vain twice for one answer; what could not be shared yet is shared later.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from alerthistory_classifier.application.patience import Patience
from alerthistory_classifier.domain.modes import Mode, ModeSetting, ModeSource
from alerthistory_classifier.metrics import ClassifierMetrics
from alerthistory_classifier.ports import KeptMode, ModeChange, ModeStore, SharedMode
from alerthistory_common.clock import Clock
from alerthistory_common.errors import UnavailableError

_LOG = structlog.get_logger(__name__)
_FRESH_S = 0.5
_READ_LIMIT_S = 0.5


class Modes:
    """Knows the mode. What another replica sets is seen within half a second."""

    def __init__(
        self,
        store: ModeStore,
        shared: SharedMode | None,
        *,
        configured: ModeSetting,
        patience: Patience,
        clock: Clock,
        metrics: ClassifierMetrics,
    ) -> None:
        self._store = store
        self._shared = shared
        self._configured = configured
        self._patience = patience
        self._clock = clock
        self._metrics = metrics
        self._known = configured
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()
        self._failing: set[str] = set()

    async def current(self) -> ModeSetting:
        """Return the mode in force; while neither place answers, the last one known."""
        async with self._reading:
            if asyncio.get_running_loop().time() >= self._fresh_until:
                await self._read()
            return self._known

    async def change(self, mode: Mode, *, author: str) -> ModeSetting:
        """Set the mode, durably, and return it; raise StoreUnavailableError when it cannot be kept."""
        async with self._reading:
            kept = KeptMode(mode=mode, is_shared=self._shared is None)
            await self._store.change_mode(kept, at=self._clock.now(), author=author)
            _LOG.info("mode set", mode=mode.value, author=author)
            self._remember(mode, await self._share(kept))
            return self._known

    async def changes(self, limit: int) -> Sequence[ModeChange]:
        """Return who changed the mode, newest first."""
        return await self._store.mode_changes(limit)

    async def shared_response_time(self) -> timedelta | None:
        """Return how long the shared place took to answer; None when none is configured.

        Raises UnavailableError while it is away.
        """
        return None if self._shared is None else await self._shared.response_time()

    async def _read(self) -> None:
        """Look at both places. What the store has and the shared place lacks, it is told."""
        kept = await self._kept()
        if kept is not None and not kept.is_shared:
            self._remember(kept.mode, await self._share(kept))
        elif (mode := await self._find_shared()) is not None:
            self._remember(mode, ModeSource.REDIS)
        elif kept is not None:
            self._remember(kept.mode, await self._share(kept))
        elif not self._failing & {"read_mode", "read_shared_mode"}:
            self._known = self._configured
        self._fresh_until = asyncio.get_running_loop().time() + _FRESH_S

    async def _kept(self) -> KeptMode | None:
        try:
            found = await self._patience.wait(self._store.find_mode(), limit_s=_READ_LIMIT_S)
        except UnavailableError as error:
            self._complain("read_mode", error)
            return None
        self._failing.discard("read_mode")
        return found

    async def _find_shared(self) -> Mode | None:
        if self._shared is None:
            return None
        try:
            found = await self._shared.find()
        except UnavailableError as error:
            self._complain("read_shared_mode", error)
            return None
        self._failing.discard("read_shared_mode")
        return found

    async def _share(self, kept: KeptMode) -> ModeSource:
        """Tell the shared place, and the store that it knows; return where the mode is now."""
        if self._shared is None or ("read_shared_mode" in self._failing and kept.is_shared):
            return ModeSource.MEMORY
        try:
            await self._shared.put(kept.mode)
            if not kept.is_shared:
                told = self._store.keep_mode(KeptMode(mode=kept.mode), at=self._clock.now())
                await self._patience.wait(told, limit_s=_READ_LIMIT_S)
        except UnavailableError as error:
            self._complain("share_mode", error)
            return ModeSource.MEMORY
        self._failing.discard("share_mode")
        return ModeSource.REDIS

    def _remember(self, mode: Mode, source: ModeSource) -> None:
        self._known = ModeSetting(mode=mode, source=source)
        self._fresh_until = asyncio.get_running_loop().time() + _FRESH_S

    def _complain(self, operation: str, error: UnavailableError) -> None:
        self._metrics.store_failures.labels(operation).inc()
        if operation not in self._failing:  # Once: it is asked twice a second.
            self._failing.add(operation)
            _LOG.warning("the mode's place failed", operation=operation, error=error.message, mode=self._known.mode)
