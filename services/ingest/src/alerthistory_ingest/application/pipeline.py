"""The pipeline: what changed is judged, then published, then done. One event per slot, a bounded number of slots."""

import asyncio
import contextvars
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from alerthistory_common.alerts import AlertEvent, Verdict
from alerthistory_common.batching import Batcher
from alerthistory_common.clock import Clock
from alerthistory_common.crash_points import reach
from alerthistory_common.errors import AlertHistoryError
from alerthistory_ingest.application.stages import BatchRules, Stages
from alerthistory_ingest.domain.work import Judged, Lease, Work, WorkResult, retry_delay
from alerthistory_ingest.ports import Classifier, History, Meter, Publisher, Tracer, WorkSource

_LOG = structlog.get_logger(__name__)
_MAX_LEASE = 1000
_GIVE_BACK_LIMIT_S = 2.0
_RETRY_COMPLETION_S = 0.5
_MAX_BACKOFF_S = 30.0
_LEASE_SHARE = 0.9
"""What is used of a lease; after that it is as good as over."""
_CALM_S = 0.5
_YOUNG = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRules:
    """How many events go through the pipeline at a time, and how often it looks for more.

    While webhooks wait to be stored, no more than *busy_capacity* are begun.
    """

    capacity: int
    busy_capacity: int
    batches: BatchRules
    poll_interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """An alert whose event was judged and published."""

    work: Work
    verdict: Verdict | None
    targets: Sequence[str]


class Room:
    """Slots that are kept free for the work that a call may bring."""

    def __init__(self, pipeline: "Pipeline", size: int) -> None:
        self.size = size
        self._pipeline = pipeline
        self._asked_at = asyncio.get_running_loop().time()

    def fill(self, work: Sequence[Work], source: WorkSource) -> None:
        """Start the work that came."""
        self._pipeline.start(work, source, leased_at=self._asked_at)


class Pipeline:
    """Takes leased events through their steps.

    There are never more leases than slots, and none is worked on when it is about to be over: another replica may have
    it by then. No work is taken before ``poll`` runs and knows how long leases hold, nor after ``drain`` was called.
    """

    def __init__(
        self,
        *,
        history: History,
        classifier: Classifier,
        publisher: Publisher,
        rules: PipelineRules,
        clock: Clock,
        tracer: Tracer,
        meter: Meter,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._history = history
        self._rules = rules
        self._clock = clock
        self._tracer = tracer
        self._meter = meter
        self._tasks = tasks
        self._stages = Stages(classifier, publisher, rules=rules.batches, tracer=tracer, meter=meter, tasks=tasks)
        self._completions: Batcher[WorkResult, bool] = Batcher(
            self._complete_all,
            tasks=tasks,
            max_items=rules.batches.size,
            max_in_flight=rules.batches.in_flight,
        )
        self._running: dict[asyncio.Task[None], Lease] = {}
        self._reserved = 0
        self._lease_s: float | None = None
        self._is_draining = False
        self._is_over = False
        self._busy_until = 0.0
        self._has_surplus = False
        self._changed = asyncio.Event()
        self._listeners: set[Callable[[Processed], None]] = set()
        self.completed = 0

    @property
    def capacity(self) -> int:
        """How many events can be in the pipeline at a time."""
        return self._rules.capacity

    @property
    def in_flight(self) -> int:
        """How many events are in the pipeline."""
        return len(self._running)

    def make_way(self) -> None:
        """Begin little for a moment: webhooks wait to be stored, and they come first."""
        self._busy_until = asyncio.get_running_loop().time() + _CALM_S

    @contextmanager
    def room(self, wanted: int) -> Iterator[Room]:
        """Keep at most *wanted* slots free while the block asks for work to fill them."""
        size = 0 if self._lease_s is None else min(wanted, self._free())
        with self._keep_free(size) as room:
            yield room
            # What found no slot waits in history, and must not wait for the next look.
            self._has_surplus |= size < wanted

    @contextmanager
    def _keep_free(self, size: int) -> Iterator[Room]:
        self._reserved += size
        try:
            yield Room(self, size)
        finally:
            self._reserved -= size
            self._changed.set()

    @contextmanager
    def told(self, listener: Callable[[Processed], None]) -> Iterator[None]:
        """Tell *listener* of every event that is published while the block runs."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def _tell(self, processed: Processed) -> None:
        for listener in tuple(self._listeners):
            listener(processed)

    def start(self, work: Sequence[Work], source: WorkSource, *, leased_at: float) -> None:
        """Begin *work*, whose leases hold from *leased_at* (of the loop's clock) on; give back what comes too late."""
        self._meter.leased(source, work)
        if self._is_over:
            self._tasks.create_task(self._give_back_all([each.lease for each in work]))
            return
        expires_at = leased_at + (self._lease_s or 0.0) * _LEASE_SHARE
        for each in work:
            # An empty context: neither the deadline nor the span of the call that brought the work are its own.
            task = self._tasks.create_task(self._run(each, expires_at), context=contextvars.Context())
            self._running[task] = each.lease
            task.add_done_callback(self._leave)

    async def poll(self) -> None:
        """Lease work that nobody does, until ``drain`` is called: that of dead replicas, and what had to wait."""
        failures = 0
        while not self._is_draining:
            pause_s = self._rules.poll_interval_s
            try:
                if await self._poll_once():
                    pause_s = 0.0
                failures = 0
            except AlertHistoryError as error:
                failures += 1
                pause_s = _backoff_s(failures)
                _LOG.warning("cannot lease work", error=str(error), retry_s=round(pause_s, 1))
            except Exception:  # noqa: BLE001  # The outermost place: without this task, nothing is taken over.
                failures += 1
                pause_s = _backoff_s(failures)
                _LOG.exception("leasing work broke", retry_s=round(pause_s, 1))
            await self._pause(pause_s)

    async def drain(self, grace_s: float) -> None:
        """Take no more work, give what is in the slots *grace_s* to finish, and give the rest back."""
        self._is_draining = True
        self._changed.set()
        try:
            async with asyncio.timeout(grace_s):
                while self._running or self._reserved:
                    await self._change()
        except TimeoutError:
            _LOG.warning("work is given back unfinished", count=len(self._running))
        finally:
            await self._give_back_running()

    def _free(self) -> int:
        return max(0, self._limit() - len(self._running) - self._reserved)

    def _limit(self) -> int:
        """Return how many events may be in the pipeline now."""
        if self._is_draining:
            return 0
        is_busy = asyncio.get_running_loop().time() < self._busy_until
        return min(self._rules.busy_capacity, self.capacity) if is_busy else self.capacity

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _pause(self, seconds: float) -> None:
        """Wait for *seconds* or a surplus, and then for a free slot; or until ``drain`` is called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._is_draining and not self._has_surplus:
                    await self._change()
        while not self._is_draining and not self._free():
            with suppress(TimeoutError):
                async with asyncio.timeout(_CALM_S):  # There is room again, too, when webhooks no longer wait.
                    await self._change()

    async def _poll_once(self) -> bool:
        """Fill the free slots; return whether there may be more work."""
        self._has_surplus = False
        with self._keep_free(min(self._free(), _MAX_LEASE)) as room:
            leased = await self._history.lease(room.size)
            self._lease_s = leased.duration.total_seconds()
            room.fill(leased.work, "poll")
            return len(leased.work) == room.size

    async def _run(self, work: Work, expires_at: float) -> None:
        """Take *work* through its steps while its lease holds. Nothing may escape: the task group would fall."""
        try:
            async with asyncio.timeout_at(expires_at):
                await asyncio.sleep(0)  # Leases that are over end here.
                await self._process(work)
        except TimeoutError:
            self._meter.processed("lease_over")
        except Exception:  # noqa: BLE001  # The outermost place of this task.
            _LOG.exception("work failed", work_id=work.lease.work_id, attempt=work.lease.attempt)
            self._meter.processed("failed")
            await self._give_back([work.lease], retry_delay(work.lease.attempt))

    async def _process(self, work: Work) -> None:
        with self._tracer.processing(work.event, is_young=self._is_young(work.event)) as span:
            verdict = await self._classify(work, span)
            reach("ingest.classified")
            targets = await self._publish(Judged(event=work.event, verdict=verdict), span)
            if targets is None:
                self._meter.processed("released")
                await self._give_back([work.lease], retry_delay(work.lease.attempt))
                return
            reach("ingest.published")
            self._tell(Processed(work=work, verdict=verdict, targets=targets))
            is_current = await self._complete(WorkResult(lease=work.lease, verdict=verdict))
        reach("ingest.completed")
        self.completed += is_current
        self._meter.processed("completed" if is_current else "outdated")

    async def _classify(self, work: Work, span: str) -> Verdict | None:
        """Return the verdict; None when there is none to be had. A missing verdict stops nothing."""
        try:
            return await self._stages.classify(work, traceparent=span)
        except AlertHistoryError as error:
            self._meter.failure("classify")
            _LOG.warning("published without a verdict", event_id=work.event.event_id, error=str(error))
            return None

    async def _publish(self, judged: Judged, span: str) -> Sequence[str] | None:
        """Return the targets that are told; None when that could not be ordered."""
        try:
            return await self._stages.publish(judged, traceparent=span)
        except AlertHistoryError as error:
            self._meter.failure("publish")
            _LOG.warning("cannot publish; will try again", event_id=judged.event.event_id, error=str(error))
            return None

    async def _complete(self, result: WorkResult) -> bool:
        """Hand in *result*, again and again while the lease holds; return whether history still wanted it."""
        while True:
            try:
                return await self._completions.submit(result)
            except AlertHistoryError as error:
                self._meter.failure("complete")
                _LOG.warning("cannot complete work", work_id=result.lease.work_id, error=str(error))
            await asyncio.sleep(_RETRY_COMPLETION_S)

    async def _complete_all(self, results: Sequence[WorkResult]) -> list[bool]:
        """Hand in *results* and begin what they unblock, in the slots that they leave."""
        asked_at = asyncio.get_running_loop().time()
        with self._meter.timing("complete"):
            completed = await self._history.complete(results, capacity=self._left_by(len(results)))
        self.start(completed.work, "complete", leased_at=asked_at)
        outdated = set(completed.outdated)
        return [result.lease not in outdated for result in results]

    def _left_by(self, count: int) -> int:
        """Return how many of *count* slots may be filled again once their events are done."""
        return max(0, min(count, self._limit() - len(self._running) + count))

    async def _give_back(self, leases: Sequence[Lease], delay: timedelta) -> None:
        try:
            await self._history.release(leases, delay=delay)
        except AlertHistoryError as error:
            _LOG.warning("leases are left to run out", count=len(leases), error=str(error))

    async def _give_back_running(self) -> None:
        self._is_over = True
        leases = list(self._running.values())
        for task in list(self._running):
            task.cancel()
        await self._give_back_all(leases)

    async def _give_back_all(self, leases: Sequence[Lease]) -> None:
        """Give *leases* back, to be handed out at once; in time or not at all."""
        if not leases:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_BACK_LIMIT_S):
                await self._give_back(leases, timedelta(0))
        for _ in leases:
            self._meter.processed("released")

    def _is_young(self, event: AlertEvent) -> bool:
        age_us = self._clock.now().micros - event.received_at.micros
        return age_us < _YOUNG // timedelta(microseconds=1)


def _backoff_s(failures: int) -> float:
    limit = min(_MAX_BACKOFF_S, 2.0 ** min(failures - 1, 10))
    return random.uniform(limit / 2, limit)  # noqa: S311  # Jitter is no secret.
