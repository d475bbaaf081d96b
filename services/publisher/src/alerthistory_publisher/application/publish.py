"""Order deliveries, show them, and revive dead ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from alerthistory_common.breaker import BreakerState
from alerthistory_common.clock import Clock
from alerthistory_common.crash_points import reach
from alerthistory_common.errors import UnavailableError
from alerthistory_publisher.application.planning import Planning
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.deliveries import (
    BreakerStanding,
    Delivery,
    DeliveryFilter,
    Figures,
    Publication,
    Replay,
    TargetFigures,
)
from alerthistory_publisher.domain.outcomes import later
from alerthistory_publisher.domain.targets import DEDUPLICATION_WINDOW
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import DeliveryStore, FigureStore

MAX_REPLAYED = 10_000
PATIENCE = timedelta(minutes=1)
"""How long after the start alerts wait for targets that are not known yet; then those that are known are told."""


class Publishing:
    """What callers ask of the publisher. *wake* tells the dispatcher that there is work."""

    def __init__(
        self,
        store: DeliveryStore,
        figures: FigureStore,
        directory: TargetDirectory,
        planning: Planning,
        *,
        clock: Clock,
        metrics: PublisherMetrics,
        max_age: timedelta,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._figures = figures
        self._directory = directory
        self._planning = planning
        self._clock = clock
        self._metrics = metrics
        self._max_age = max_age
        self._wake = wake
        self._started_at = clock.now()

    async def publish(self, publications: Sequence[Publication]) -> list[list[str]]:
        """Return the names of the targets that are told about each publication, once that is durable. Idempotent.

        Raises UnavailableError during the first minute while a source of targets has not answered yet.
        """
        now = self._clock.now()
        if (unknown := self._directory.unknown) and now < later(self._started_at, PATIENCE):
            raise UnavailableError(f"the targets are not known yet, {' and '.join(unknown)} did not answer; try again")
        plan = await self._planning.plan(publications, now=now)
        if plan.orders:
            await self._store.order(plan.orders)
            reach("publisher.ordered")
            self._wake()
        for each in publications:
            self._metrics.events.labels(each.event.kind.value).inc()
        return list(plan.told)

    async def page(self, wanted: DeliveryFilter, *, limit: int, before: int | None) -> list[Delivery]:
        """Return deliveries, newest first."""
        return await self._store.list_page(wanted, limit=limit, before=before)

    async def retry(self, delivery_ids: Sequence[int]) -> int:
        """Make dead deliveries pending again, as if ordered now, with the keys they had; return how many."""
        now = self._clock.now()
        count = await self._store.retry(delivery_ids, now=now, give_up_at=later(now, self._max_age))
        self._wake()
        return count

    async def replay(self, wanted: DeliveryFilter, *, interval: timedelta, is_dry_run: bool) -> Replay:
        """Make the dead deliveries that are *wanted* pending again, one *interval* after another; at most 10 000."""
        now = self._clock.now()
        replay = await self._store.replay(
            wanted,
            limit=MAX_REPLAYED,
            interval=interval,
            now=now,
            give_up_at=later(now, self._max_age),
            is_dry_run=is_dry_run,
        )
        self._wake()
        return replay

    async def figures(self) -> Figures:
        """Return how many deliveries stand where."""
        return await self._figures.figures()

    async def figures_by_target(self) -> list[TargetFigures]:
        """Return how many deliveries stand where, the configured targets first and in their order."""
        found = {each.target: each for each in await self._figures.figures_by_target()}
        configured = [each.name for each in self._directory.targets]
        names = dict.fromkeys([*configured, *found])
        return [_current(found.get(name) or TargetFigures(target=name), self._clock) for name in names]

    async def recently_fired(self) -> int:
        """Return how many alerts were told, or were to be told, as firing within the usual window of deduplication."""
        return await self._figures.recently_fired(later(self._clock.now(), -DEDUPLICATION_WINDOW))


def _current(figures: TargetFigures, clock: Clock) -> TargetFigures:
    """Return *figures* with the breaker as it is by now: an open one lets one through once its time is over."""
    seen = figures.breaker
    if seen is None and (figures.delivered or figures.dead):
        return replace(figures, breaker=BreakerStanding(state=BreakerState.CLOSED))
    is_over = seen is not None and seen.open_until is not None and seen.open_until <= clock.now()
    return replace(figures, breaker=BreakerStanding(state=BreakerState.HALF_OPEN)) if is_over else figures
