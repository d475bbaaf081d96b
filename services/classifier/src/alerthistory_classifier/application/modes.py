"""The enrichment mode in force: read from the store, remembered for a moment, and there even without a database."""

import asyncio

import structlog

from alerthistory_classifier.application.patience import Patience
from alerthistory_classifier.domain.modes import Mode, ModeSetting, ModeSource
from alerthistory_classifier.metrics import ClassifierMetrics
from alerthistory_classifier.ports import ModeStore
from alerthistory_common.clock import Clock
from alerthistory_common.errors import UnavailableError

_LOG = structlog.get_logger(__name__)
_FRESH_S = 0.5
_READ_LIMIT_S = 0.5


class Modes:
    """Knows the mode. What another replica sets is seen within half a second."""

    def __init__(
        self, store: ModeStore, *, configured: ModeSetting, patience: Patience, clock: Clock, metrics: ClassifierMetrics
    ) -> None:
        self._store = store
        self._configured = configured
        self._patience = patience
        self._clock = clock
        self._metrics = metrics
        self._known = configured
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()

    async def current(self) -> ModeSetting:
        """Return the mode in force; while the database is away, the last one known."""
        async with self._reading:
            if asyncio.get_running_loop().time() >= self._fresh_until:
                await self._read()
            return self._known

    async def change(self, mode: Mode) -> ModeSetting:
        """Set the mode, durably, and return it."""
        async with self._reading:
            await self._store.keep_mode(mode, at=self._clock.now())
            self._remember(mode)
            return self._known

    async def _read(self) -> None:
        try:
            self._remember(await self._patience.wait(self._store.find_mode(), limit_s=_READ_LIMIT_S))
        except UnavailableError:
            self._metrics.store_failures.labels("read_mode").inc()
            _LOG.warning("the mode cannot be read; the last one known stays", mode=self._known.mode.value)
            self._fresh_until = asyncio.get_running_loop().time() + _FRESH_S

    def _remember(self, mode: Mode | None) -> None:
        self._known = self._configured if mode is None else ModeSetting(mode=mode, source=ModeSource.MEMORY)
        self._fresh_until = asyncio.get_running_loop().time() + _FRESH_S
