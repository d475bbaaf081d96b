"""Counting events for the reports: in the background, in large blocks, behind the log and never in its way."""

import asyncio
import random
import time

import structlog

from alerthistory_common.clock import Clock
from alerthistory_common.errors import AlertHistoryError
from alerthistory_history.domain.rollups import fold_events
from alerthistory_history.ports import CountingObserver, RollupStore

_LOG = structlog.get_logger(__name__)
_MAX_PAUSE_S = 30.0
# After another replica was faster: it goes on counting, and we only look whether it still does.
_OVERTAKEN = 5
_TELL_EACH_S = 5.0


class Progress:
    """Tells in the log how counting goes on, every few seconds."""

    def __init__(self) -> None:
        self.events = 0
        self._told_at = time.monotonic()

    def counted(self, events: int, seconds: float) -> None:
        """Add what was counted."""
        self.events += events
        if time.monotonic() - self._told_at >= _TELL_EACH_S:
            self._told_at = time.monotonic()
            _LOG.info("counting the log", events=self.events)

    def behind(self, seconds: float) -> None:
        """Do nothing: how much is left is not known."""


class EventCounter:
    """Counts the events of the log, again and again.

    Replicas may do so at once: what one has counted meanwhile the others throw away. *block* is the most events that
    one transaction counts, and *share* the most of the time, from above 0 to 1, that counting takes.
    """

    def __init__(
        self,
        store: RollupStore,
        clock: Clock,
        observer: CountingObserver,
        *,
        block: int,
        interval_s: float,
        share: float = 1.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer
        self._block = block
        self._interval_s = interval_s
        self._pause_per_second = 1 / share - 1
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Count every interval until stopped. While the store is away, the pauses grow."""
        pause_s = self._interval_s
        try:
            while not await self._is_stopped_within(pause_s):
                pause_s = await self._round(pause_s)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Begin no further block, and return when the current one is over."""
        self._stopped.set()
        await self._ended.wait()

    async def count_all(self) -> None:
        """Count all that is final, together with whoever else is at it."""
        while not await self.count():
            await self._is_stopped_within(self._interval_s)

    async def count(self) -> bool:
        """Count all that is final; return False when another replica is at it."""
        while not self._stopped.is_set():
            began = time.monotonic()
            position = await self._store.position()
            found = await self._store.uncounted(position, limit=self._block)
            if not found.events:
                return True
            # In a thread, so that commits need not wait for the arithmetic.
            folded = await asyncio.to_thread(fold_events, found)
            if not await self._store.add(folded, since=position):
                return False
            seconds = time.monotonic() - began
            self._observer.counted(len(found.events), seconds)
            if found.is_last:
                return True
            await self._is_stopped_within(seconds * self._pause_per_second)
        return True

    async def _round(self, pause_s: float) -> float:
        try:
            is_ours = await self.count()
            oldest = await self._store.oldest_uncounted()
            self._observer.behind(0.0 if oldest is None else max(0, self._clock.now().micros - oldest.micros) / 1e6)
        except AlertHistoryError as error:
            _LOG.warning("counting events failed, trying again", error=error.message)
            return min(_MAX_PAUSE_S, pause_s * 2)
        except Exception:  # noqa: BLE001  # A defect must not end the only task that counts.
            _LOG.exception("counting events failed, trying again")
            return min(_MAX_PAUSE_S, pause_s * 2)
        if is_ours:
            return self._interval_s
        return self._interval_s * random.uniform(1, _OVERTAKEN)  # noqa: S311  # Jitter is no secret.

    async def _is_stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return False
        return True
