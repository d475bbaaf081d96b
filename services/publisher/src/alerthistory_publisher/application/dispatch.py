"""Deliver what is due: claim, send, record, with a bound per target, so that none can hold up another."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import structlog

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock
from alerthistory_common.errors import UnavailableError
from alerthistory_publisher.application.pauses import Pauses
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.deliveries import Claim, DeliveryState
from alerthistory_publisher.domain.outcomes import (
    Answer,
    Backoff,
    Outcome,
    Step,
    later,
    next_step,
    outcome_of,
    pause_wanted,
)
from alerthistory_publisher.domain.parcels import pack
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import DeliveryStore, Room, Sender

_LOG = structlog.get_logger(__name__)
_POLL_S = 1.0
_LET_GO_LIMIT_S = 2.0
_LEASE_RESERVE = timedelta(seconds=15)


class Dispatcher:
    """Delivers until it is drained. Several may work on one store: leases and fences keep them apart."""

    def __init__(
        self,
        store: DeliveryStore,
        sender: Sender,
        directory: TargetDirectory,
        *,
        clock: Clock,
        metrics: PublisherMetrics,
        pauses: Pauses,
        backoff: Backoff,
        concurrency: int,
    ) -> None:
        self._store = store
        self._sender = sender
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._backoff = backoff
        self._concurrency = concurrency
        self._in_flight: Counter[str] = Counter()
        self._sends: set[asyncio.Task[None]] = set()
        self._unrecorded: set[int] = set()
        self._pauses = pauses
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
                while not self._is_draining:
                    self._work.clear()
                    for claim in await self._claim():
                        self._start(claim, tasks)
                    await self._wait_for_work()
        finally:
            self._ended.set()

    async def drain(self, limit_s: float) -> None:
        """Claim nothing more, let the sends in flight finish within *limit_s*, and hand the rest back."""
        self._is_draining = True
        self.wake()
        try:
            async with asyncio.timeout(limit_s):
                await self._ended.wait()
        except TimeoutError:
            unfinished = list(self._sends)
            for send in unfinished:
                send.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _claim(self) -> list[Claim]:
        now = self._clock.now()
        rooms = list(self._rooms(now))
        if not rooms or self._unrecorded:
            return []  # What was sent is recorded first: its lease may be over, and it must not be sent again.
        try:
            return await self._store.claim(rooms, now=now)
        except UnavailableError as error:
            _LOG.warning("deliveries wait for the database", error=error.message)
        except Exception as error:  # noqa: BLE001  # The outermost loop: what is broken now may be mended later.
            _LOG.error("claiming deliveries broke", exc_info=error)
        return []

    def _rooms(self, now: Instant) -> Iterable[Room]:
        for target in self._directory.enabled():
            slots = self._concurrency - self._in_flight[target.name]
            if slots > 0 and not self._pauses.holds(target.name, now):
                lease = timedelta(seconds=target.timeout_s) + _LEASE_RESERVE
                yield Room(target=target.name, slots=slots, leased_until=later(now, lease))

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._work.wait()
        except TimeoutError:
            return

    def _start(self, claim: Claim, tasks: asyncio.TaskGroup) -> None:
        self._in_flight[claim.target] += 1
        send = tasks.create_task(self._deliver(claim))
        self._sends.add(send)
        send.add_done_callback(lambda done: self._finish(done, claim.target))

    def _finish(self, send: asyncio.Task[None], target: str) -> None:
        self._sends.discard(send)
        self._in_flight[target] -= 1
        self.wake()

    async def _deliver(self, claim: Claim) -> None:
        step = None
        try:
            step = await self._attempt(claim)
            await self._record(claim, step)
        except asyncio.CancelledError:
            await self._let_go(claim, step or _postponed(self._clock.now(), "interrupted: the publisher stopped"))
            raise
        except Exception as error:  # noqa: BLE001  # Its lease runs out, and it is tried again; others must not suffer.
            _LOG.error("delivery broke", delivery_id=claim.delivery_id, target=claim.target, exc_info=error)

    async def _attempt(self, claim: Claim) -> Step:
        now = self._clock.now()
        target = self._directory.find(claim.target)
        if target is None:
            return _postponed(now, "the target was disabled meanwhile")
        try:
            parcel = pack(claim, target=target, now=now)
        except (ValueError, RecursionError):
            unwritable = Answer(outcome=Outcome.PERMANENT, text=f"the alert cannot be written as {target.format}")
            return next_step(claim, unwritable, now=now, backoff=self._backoff)
        with self._metrics.duration.labels(target.name).time():
            answer = await self._sender.send(target, parcel)
        return self._judge(claim, target, answer)

    def _judge(self, claim: Claim, target: Target, answer: Answer) -> Step:
        now = self._clock.now()
        outcome = outcome_of(answer)
        self._metrics.attempts.labels(target.name, outcome.value).inc()
        if outcome is Outcome.THROTTLED:
            self._pauses.begin(target.name, pause_wanted(answer, now=now))
        return next_step(claim, answer, now=now, backoff=self._backoff)

    async def _record(self, claim: Claim, step: Step) -> None:
        """Record the result, however long the database is away: sending twice is worse than waiting."""
        try:
            while (is_ours := await self._recorded(claim, step)) is None:
                self._unrecorded.add(claim.delivery_id)
                await asyncio.sleep(_POLL_S)
        finally:
            self._unrecorded.discard(claim.delivery_id)
        self._count(claim, step, is_ours=is_ours)

    async def _recorded(self, claim: Claim, step: Step) -> bool | None:
        """Return whether the claim still held, None while the database is away."""
        try:
            return await self._store.record(claim, step)
        except UnavailableError:
            _LOG.warning("a result waits for the database", delivery_id=claim.delivery_id, target=claim.target)
            return None

    def _count(self, claim: Claim, step: Step, *, is_ours: bool) -> None:
        if not is_ours:
            self._metrics.fenced.labels(claim.target).inc()
        elif step.state is not DeliveryState.PENDING:
            self._metrics.deliveries.labels(claim.target, step.state.value).inc()
        if step.state is DeliveryState.DEAD:
            _LOG.warning("delivery was given up", delivery_id=claim.delivery_id, target=claim.target)

    async def _let_go(self, claim: Claim, step: Step) -> None:
        """Record *step* on the way out, so that another replica need not wait for the lease to run out."""
        try:
            async with asyncio.timeout(_LET_GO_LIMIT_S):
                await self._store.record(claim, step)
        except (UnavailableError, TimeoutError):
            _LOG.warning("a lease was not handed back", delivery_id=claim.delivery_id, target=claim.target)


def _postponed(now: Instant, reason: str) -> Step:
    return Step(state=DeliveryState.PENDING, outcome=Outcome.TRANSIENT, result=reason, due_at=now)
