"""Give up what waits for no target any more, and keep the gauges current."""

import asyncio

import structlog

from alerthistory_common.clock import Clock
from alerthistory_common.errors import UnavailableError
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import DeliveryStore

_LOG = structlog.get_logger(__name__)
_INTERVAL_S = 5.0


async def keep_up(store: DeliveryStore, directory: TargetDirectory, *, clock: Clock, metrics: PublisherMetrics) -> None:
    """Look after the store, again and again, until cancelled."""
    while True:
        try:
            await _look_after(store, directory, clock=clock, metrics=metrics)
        except UnavailableError as error:
            _LOG.warning("upkeep waits for the database", error=error.message)
        except Exception as error:  # noqa: BLE001  # The outermost loop: deliveries must not end with it.
            _LOG.error("upkeep broke", exc_info=error)
        await asyncio.sleep(_INTERVAL_S)


async def _look_after(
    store: DeliveryStore, directory: TargetDirectory, *, clock: Clock, metrics: PublisherMetrics
) -> None:
    now = clock.now()
    if buried := await store.bury([target.name for target in directory.enabled()], now=now):
        _LOG.warning("gave up deliveries to targets that are gone or disabled", count=buried)
    figures = await store.figures()
    metrics.pending.set(figures.pending)
    metrics.dead.set(figures.dead)
    since = figures.oldest_pending_at
    metrics.oldest.set(0 if since is None else max(0.0, (now.micros - since.micros) / 1_000_000))
