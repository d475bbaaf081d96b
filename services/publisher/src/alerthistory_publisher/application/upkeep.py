"""Give up what waits for no target any more, show how targets are, and keep the gauges current."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog

from alerthistory_common.alerts import Instant
from alerthistory_common.breaker import Breaker, BreakerState
from alerthistory_common.clock import Clock
from alerthistory_common.errors import UnavailableError
from alerthistory_publisher.application.lanes import Lanes
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.deliveries import BreakerStanding
from alerthistory_publisher.domain.outcomes import later
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import DeliveryStore, FigureStore

_LOG = structlog.get_logger(__name__)
_INTERVAL_S = 5.0


class Upkeep:
    """Looks after the store, again and again."""

    def __init__(
        self,
        store: DeliveryStore,
        figures: FigureStore,
        directory: TargetDirectory,
        lanes: Lanes,
        *,
        clock: Clock,
        metrics: PublisherMetrics,
    ) -> None:
        self._store = store
        self._figures = figures
        self._directory = directory
        self._lanes = lanes
        self._clock = clock
        self._metrics = metrics
        self._shown: Mapping[str, BreakerState] = {}

    async def run(self) -> None:
        """Look after the store until cancelled."""
        while True:
            try:
                await self._look_after()
            except UnavailableError as error:
                _LOG.warning("upkeep waits for the database", error=error.message)
            except Exception as error:  # noqa: BLE001  # The outermost loop: deliveries must not end with it.
                _LOG.error("upkeep broke", exc_info=error)
            await asyncio.sleep(_INTERVAL_S)

    async def _look_after(self) -> None:
        now = self._clock.now()
        if buried := await self._store.bury([target.name for target in self._directory.enabled()], now=now):
            _LOG.warning("gave up deliveries to targets that are gone or disabled", count=buried)
        await self._show_breakers(now)
        figures = await self._figures.figures()
        self._metrics.pending.set(figures.pending)
        self._metrics.dead.set(figures.dead)
        since = figures.oldest_pending_at
        self._metrics.oldest.set(0 if since is None else max(0.0, (now.micros - since.micros) / 1_000_000))

    async def _show_breakers(self, now: Instant) -> None:
        """Keep those that changed since the last look; what does not change may be told by another replica."""
        breakers = self._lanes.breakers()
        states = {name: breaker.state for name, breaker in breakers.items()}
        for name, state in states.items():
            self._metrics.breaker.labels(name).state(state.value)
        changed = {name for name, state in states.items() if self._shown.get(name, BreakerState.CLOSED) is not state}
        if changed:
            await self._figures.keep_breakers({name: _standing(breakers[name], now) for name in changed})
        self._shown = states


def _standing(breaker: Breaker, now: Instant) -> BreakerStanding:
    wait_s = breaker.wait_s
    return BreakerStanding(state=breaker.state, open_until=later(now, timedelta(seconds=wait_s)) if wait_s else None)
