"""Keeping the store in shape: partitions ahead of time, and an end for what is old."""

import asyncio
from datetime import timedelta

import structlog

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock
from alerthistory_common.errors import AlertHistoryError
from alerthistory_history.domain.counts import DAY
from alerthistory_history.domain.retention import TABLES, Cutoff, RetentionPlan
from alerthistory_history.ports import PartitionStore, RetentionObserver, RetentionStore, RollupStore

_LOG = structlog.get_logger(__name__)
_WEEKS_AHEAD = 5
_AT_ONCE = 1000
_INTERVAL = timedelta(days=1)
_AGAIN_AFTER_FAILURE = timedelta(minutes=5)
_SIZES_EVERY = timedelta(minutes=15)


class Keeper:
    """Makes partitions and deletes what is older than *days*, once a day; None keeps everything."""

    def __init__(
        self,
        store: RetentionStore,
        partitions: PartitionStore,
        rollups: RollupStore,
        clock: Clock,
        observer: RetentionObserver,
        *,
        days: int | None,
        pause_s: float = 0.05,
    ) -> None:
        self._store = store
        self._partitions = partitions
        self._rollups = rollups
        self._clock = clock
        self._observer = observer
        self.days = days
        self._pause_s = pause_s
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Look after the store until stopped: at once, and then daily; sooner after a failure."""
        due = self._clock.now().micros
        try:
            while True:
                if self._clock.now().micros >= due:
                    rest = await self._round()
                    due = self._clock.now().micros + rest // timedelta(microseconds=1)
                await self._measure()
                if await self._is_stopped_within(_SIZES_EVERY.total_seconds()):
                    return
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Begin no further deletion, and return when the current one is over."""
        self._stopped.set()
        await self._ended.wait()

    async def plan(self, days: int | None = None) -> RetentionPlan:
        """Return what a run would delete now, by the days that are set or by others."""
        chosen = days or self.days
        cutoff = None if chosen is None else self._cutoff(self._clock.now(), chosen)
        return RetentionPlan(
            configured_days=self.days,
            days=chosen,
            cutoff=None if cutoff is None else Instant(cutoff.moment),
            tables=[] if cutoff is None else await self._store.plan(cutoff),
            sizes=await self._store.sizes(),
        )

    async def prepare(self) -> None:
        """Make the partitions of the weeks to come."""
        if made := await self._partitions.prepare(self._clock.now(), weeks_ahead=_WEEKS_AHEAD):
            _LOG.info("partitions are made", partitions=list(made))

    async def try_to_prepare(self) -> None:
        """Make the partitions; when that cannot be done now, ``run`` tries again."""
        try:
            await self.prepare()
        except AlertHistoryError as error:
            _LOG.warning("partitions cannot be made yet", error=error.message)

    async def delete_old(self) -> dict[str, int]:
        """Delete what is old; return how many rows went, by table."""
        if self.days is None:
            return {}
        started = self._clock.now()
        cutoff = self._cutoff(started, self.days)
        deleted = {"events": await self._drop(cutoff)} | dict.fromkeys(TABLES[1:], 0)
        for table in TABLES:
            deleted[table] += await self._sweep(table, cutoff)
        await self._sweep_rollups(cutoff)
        while not self._stopped.is_set() and await self._store.reclaim():
            await self._is_stopped_within(self._pause_s)
        seconds = (self._clock.now().micros - started.micros) / 1_000_000
        self._observer.retained(deleted, at=started, seconds=seconds)
        _LOG.info("what was old is deleted", days=self.days, seconds=round(seconds, 1), **deleted)
        return deleted

    def _cutoff(self, now: Instant, days: int) -> Cutoff:
        return Cutoff.before(now, days, is_weekly=self._partitions.has_partitions)

    async def _drop(self, cutoff: Cutoff) -> int:
        deleted = 0
        for partition in await self._partitions.partitions():
            if partition.end <= cutoff.events and not self._stopped.is_set():
                deleted += await self._partitions.drop(partition)
        return deleted

    async def _sweep(self, table: str, cutoff: Cutoff) -> int:
        deleted, after = 0, None
        while not self._stopped.is_set():
            swept = await self._store.sweep(table, cutoff, after=after, limit=_AT_ONCE)
            deleted, after = deleted + swept.deleted, swept.after
            # Between two deletions commits get their turn, SQLite's only writer above all.
            if after is None or await self._is_stopped_within(self._pause_s):
                break
        return deleted

    async def _sweep_rollups(self, cutoff: Cutoff) -> None:
        """Delete counts of days that lie before the cutoff as a whole."""
        while not self._stopped.is_set():
            deleted = await self._rollups.delete_before(DAY.period(cutoff.moment), limit=_AT_ONCE)
            if not deleted or await self._is_stopped_within(self._pause_s):
                return

    async def _round(self) -> timedelta:
        try:
            await self.prepare()
            await self.delete_old()
        except AlertHistoryError as error:
            _LOG.warning("retention failed, trying again", error=error.message)
            return _AGAIN_AFTER_FAILURE
        except Exception:  # noqa: BLE001  # A defect must not end the only task that makes partitions.
            _LOG.exception("retention failed, trying again")
            return _AGAIN_AFTER_FAILURE
        return _INTERVAL

    async def _measure(self) -> None:
        try:
            self._observer.sized(await self._store.sizes())
        except AlertHistoryError as error:
            _LOG.warning("the tables could not be measured", error=error.message)

    async def _is_stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return False
        return True
