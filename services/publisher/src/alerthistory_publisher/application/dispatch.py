"""Deliver what is due: claim, send, record, with a bound per target, so that none can hold up another."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock
from alerthistory_common.crash_points import reach
from alerthistory_common.errors import UnavailableError
from alerthistory_publisher.application.couriers import Courier
from alerthistory_publisher.application.lanes import Lane, Lanes
from alerthistory_publisher.application.pauses import Pauses
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.deliveries import Claim, DeliveryState
from alerthistory_publisher.domain.formats.choice import THREADED, limits_of
from alerthistory_publisher.domain.outcomes import (
    Answer,
    Backoff,
    Outcome,
    Result,
    Step,
    later,
    next_step,
    outcome_of,
    pause_wanted,
)
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import Advance, DeliveryStore, RateLimits, Room

_LOG = structlog.get_logger(__name__)
_POLL_S = 1.0
_LET_GO_LIMIT_S = 2.0
_LEASE_RESERVE = timedelta(seconds=15)
# What waited longer for its turn is handed back: its lease would not hold until its end is recorded.
_MAX_WAIT = timedelta(seconds=8)


class Dispatcher:
    """Delivers until it is drained. Several may work on one store: leases and fences keep them apart.

    A claim passes its target's turn, rate limits and circuit breaker; what waits there too long is handed back.

    One transaction after another records what was sent since the last one, and claims what comes next.
    """

    def __init__(
        self,
        store: DeliveryStore,
        courier: Courier,
        directory: TargetDirectory,
        *,
        clock: Clock,
        metrics: PublisherMetrics,
        pauses: Pauses,
        limits: RateLimits,
        lanes: Lanes,
        backoff: Backoff,
    ) -> None:
        self._store = store
        self._courier = courier
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._pauses = pauses
        self._limits = limits
        self._lanes = lanes
        self._backoff = backoff
        self._sends: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._work = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_draining = False

    def wake(self) -> None:
        """Look for due deliveries now instead of at the next poll."""
        self._work.set()

    async def run(self) -> None:
        """Deliver what is due until drained."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._is_draining or self._sends or self._results:
                    self._work.clear()
                    for claim in await self._advance():
                        self._start(claim, tasks)
                    await self._wait_for_work()
        finally:
            await self._let_go()
            self._ended.set()

    async def drain(self, limit_s: float) -> None:
        """Claim nothing more, let the sends in flight finish within *limit_s*, and hand the rest back."""
        self._is_draining = True
        self.wake()
        try:
            async with asyncio.timeout(limit_s):
                await self._ended.wait()
        except TimeoutError:
            for send in list(self._sends):
                send.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LET_GO_LIMIT_S):
                    await self._ended.wait()

    async def _advance(self) -> Sequence[Claim]:
        """Record what was sent and return what is to be sent next. While the database is away, both wait."""
        now, results = self._clock.now(), list(self._results)
        rooms = [] if self._is_draining else list(self._rooms(now))
        if not results and not rooms:
            return []
        try:
            advance = await self._store.advance(results, rooms, now=now)
        except UnavailableError as error:
            _LOG.warning("deliveries wait for the database", error=error.message, unrecorded=len(results))
            await asyncio.sleep(_POLL_S)
        except Exception as error:  # noqa: BLE001  # The outermost loop: what is broken now may be mended later.
            _LOG.error("claiming deliveries broke", exc_info=error)
            await self._record_apart(results)
            await asyncio.sleep(_POLL_S)
        else:
            self._recorded(results, advance)
            if results:
                reach("publisher.recorded")
            return advance.claims
        return []

    async def _record_apart(self, results: Sequence[Result]) -> None:
        """Record *results* one by one; one that cannot be is dropped: its lease runs out, and it is tried again."""
        for result in results:
            try:
                advance = await self._store.advance([result], (), now=self._clock.now())
            except UnavailableError:
                return
            except Exception as error:  # noqa: BLE001  # Others must not suffer.
                _LOG.error("a result cannot be kept", delivery_id=result.claim.delivery_id, exc_info=error)
                self._results.remove(result)
            else:
                self._recorded([result], advance)

    def _rooms(self, now: Instant) -> Iterable[Room]:
        for target in self._directory.enabled():
            room = self._lanes.of(target).room_at(now)
            if room and self._pauses.end(target.name, now) is None:
                lease = timedelta(seconds=target.timeout_s) + _LEASE_RESERVE
                yield Room(
                    target=target.name,
                    slots=room,
                    leased_until=later(now, lease),
                    is_threaded=target.format in THREADED,
                )

    async def _wait_for_work(self) -> None:
        if not self._results:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._work.wait()

    def _start(self, claim: Claim, tasks: asyncio.TaskGroup) -> None:
        target = self._directory.find(claim.target)
        if target is None:
            self._results.append(Result(claim, _postponed(self._clock.now(), "the target was disabled meanwhile")))
            return
        lane = self._lanes.of(target)
        lane.claimed += 1
        send = tasks.create_task(self._deliver(claim, target, lane, claimed_at=self._clock.now()))
        self._sends.add(send)
        send.add_done_callback(lambda done: self._finish(done, lane))

    def _finish(self, send: asyncio.Task[None], lane: Lane) -> None:
        self._sends.discard(send)
        lane.claimed -= 1
        self.wake()

    async def _deliver(self, claim: Claim, target: Target, lane: Lane, *, claimed_at: Instant) -> None:
        step = None
        try:
            async with lane.turn:
                step = await self._obstacle(target, lane, claimed_at) or await self._attempt(claim, target, lane)
        except asyncio.CancelledError:
            step = step or _postponed(self._clock.now(), "interrupted: the publisher stopped")
            raise
        except Exception as error:  # noqa: BLE001  # Its lease runs out, and it is tried again; others must not suffer.
            _LOG.error("delivery broke", delivery_id=claim.delivery_id, target=claim.target, exc_info=error)
        finally:
            if step is not None:
                self._results.append(Result(claim, step))

    async def _obstacle(self, target: Target, lane: Lane, claimed_at: Instant) -> Step | None:
        """Wait for the rate limits; return how a claim is handed back that cannot be sent, None when it can."""
        step = self._too_late(target, claimed_at)
        while step is None and (wait := await self._limits.acquire(target.name, limits_of(target))):
            now = self._clock.now()
            if later(now, wait) > later(claimed_at, _MAX_WAIT):
                lane.resumes_at = later(now, wait)
                return _postponed(lane.resumes_at, "waits: the target's rate limit is reached")
            await asyncio.sleep(wait.total_seconds())
            step = self._too_late(target, claimed_at)
        if step is None and not lane.breaker.admit():
            wait = timedelta(seconds=lane.breaker.wait_s)
            return _postponed(later(self._clock.now(), wait), "waits: the target failed too often, and is left alone")
        return step

    def _too_late(self, target: Target, claimed_at: Instant) -> Step | None:
        """Return how a claim is handed back whose turn came too late; None when it may be sent."""
        now = self._clock.now()
        if self._is_draining:
            return _postponed(now, "interrupted: the publisher stopped")
        if (paused_until := self._pauses.end(target.name, now)) is not None:
            return _postponed(paused_until, "waits: the target asked for a pause")
        if now > later(claimed_at, _MAX_WAIT):
            return _postponed(now, "waits: the target is slow")
        return None

    async def _attempt(self, claim: Claim, target: Target, lane: Lane) -> Step:
        """Send; the breaker has admitted it, and learns what came of it."""
        began = self._clock.now()
        outcome = None
        try:
            with self._metrics.duration.labels(target.name).time():
                reach("publisher.sending")
                answer = await self._courier.deliver(claim, target)
                reach("publisher.sent")
            outcome = outcome_of(answer)
            return self._judge(claim, target, answer)
        finally:
            took = timedelta(microseconds=self._clock.now().micros - began.micros)
            if outcome is None:
                lane.breaker.forget()
            else:
                lane.answered(outcome, took=took)

    def _judge(self, claim: Claim, target: Target, answer: Answer) -> Step:
        now = self._clock.now()
        outcome = outcome_of(answer)
        self._metrics.attempts.labels(target.name, outcome.value).inc()
        if outcome is Outcome.THROTTLED:
            self._pauses.begin(target.name, pause_wanted(answer, now=now))
        return next_step(claim, answer, now=now, backoff=self._backoff)

    def _recorded(self, results: Sequence[Result], advance: Advance) -> None:
        del self._results[: len(results)]
        for claim, step in results:
            if claim.delivery_id not in advance.held:
                self._metrics.fenced.labels(claim.target).inc()
            elif step.state is not DeliveryState.PENDING:
                self._metrics.deliveries.labels(claim.target, step.state.value).inc()
            if step.state is DeliveryState.DEAD:
                _LOG.warning("delivery was given up", delivery_id=claim.delivery_id, target=claim.target)

    async def _let_go(self) -> None:
        """Record what is left on the way out, so that another replica need not wait for leases to run out."""
        if not self._results:
            return
        try:
            async with asyncio.timeout(_LET_GO_LIMIT_S):
                results = list(self._results)
                self._recorded(results, await self._store.advance(results, (), now=self._clock.now()))
        except (UnavailableError, TimeoutError):
            _LOG.warning("leases were not handed back", count=len(self._results))


def _postponed(due_at: Instant, reason: str) -> Step:
    return Step(state=DeliveryState.PENDING, outcome=Outcome.TRANSIENT, result=reason, due_at=due_at, is_attempt=False)
