"""Handing out the events that need the pipeline, and taking back what came of them."""

from collections.abc import Sequence
from datetime import timedelta

from alerthistory_common.alerts import Instant, Severity
from alerthistory_common.clock import Clock
from alerthistory_history.domain.records import Completed, Lease, Work
from alerthistory_history.ports import WorkStore


class Queue:
    """The queue of events, by the service's clock."""

    def __init__(self, store: WorkStore, clock: Clock, *, lease_duration: timedelta) -> None:
        self._store = store
        self._clock = clock
        self.lease_duration = lease_duration

    async def lease(self, owner: str, limit: int) -> Sequence[Work]:
        """Return at most *limit* events, the oldest, leased to *owner* for ``lease_duration``."""
        return await self._store.lease(owner, limit, self._clock.now())

    async def complete(self, verdicts: Sequence[tuple[Lease, Severity | None]], *, owner: str, limit: int) -> Completed:
        """Take finished work with its verdicts, and lease what waited for it to *owner*, at most *limit*."""
        return await self._store.complete(verdicts, owner=owner, limit=limit, now=self._clock.now())

    async def release(self, leases: Sequence[Lease], *, delay: timedelta) -> None:
        """Take leases back, to be handed out again after *delay*."""
        now = self._clock.now()
        available_at = Instant(now.micros + delay // timedelta(microseconds=1))
        await self._store.release(leases, available_at=available_at)
