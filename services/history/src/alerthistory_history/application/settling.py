"""Letting time pass: holds fall due, leases end, silences grow stale."""

import asyncio

import structlog

from alerthistory_common.clock import Clock
from alerthistory_common.errors import AlertHistoryError
from alerthistory_history.ports import Observer, RecordStore, WorkStore

from .pulse import Pulse

_LOG = structlog.get_logger(__name__)
_AT_ONCE = 500
_MAX_PAUSE_S = 30.0


class Settler:
    """Settles what is due, again and again."""

    def __init__(
        self,
        store: RecordStore,
        work: WorkStore,
        clock: Clock,
        observer: Observer,
        pulse: Pulse,
        *,
        interval_s: float,
    ) -> None:
        self._store = store
        self._work = work
        self._clock = clock
        self._observer = observer
        self._pulse = pulse
        self._interval_s = interval_s
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Settle every interval until stopped. While the store is away, the pauses grow."""
        pause_s = self._interval_s
        try:
            while not await self._is_stopped_within(pause_s):
                pause_s = await self._round(pause_s)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Begin no further round, and return when the current one is over."""
        self._stopped.set()
        await self._ended.wait()

    async def settle(self) -> None:
        """Settle all that is due now."""
        is_done = False
        while not is_done and not self._stopped.is_set():
            settled = await self._store.settle(self._clock.now(), limit=_AT_ONCE)
            self._observer.settled(settled.kinds)
            if settled.kinds:
                self._pulse.beat()
            is_done = settled.is_done

    async def _round(self, pause_s: float) -> float:
        try:
            await self.settle()
            self._observer.pending(*await self._work.pending(self._clock.now()))
        except AlertHistoryError as error:
            _LOG.warning("settling failed, trying again", error=error.message)
            return min(_MAX_PAUSE_S, pause_s * 2)
        except Exception:  # noqa: BLE001  # A defect must not end the only task that lets time pass.
            _LOG.exception("settling failed, trying again")
            return min(_MAX_PAUSE_S, pause_s * 2)
        return self._interval_s

    async def _is_stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return False
        return True
