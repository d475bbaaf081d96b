"""Order deliveries, show them, and revive dead ones."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from alerthistory_common.clock import Clock
from alerthistory_common.crash_points import reach
from alerthistory_publisher.application.filtering import Filtering
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.deliveries import (
    Delivery,
    DeliveryFilter,
    Figures,
    Order,
    Publication,
    TargetFigures,
)
from alerthistory_publisher.domain.outcomes import later
from alerthistory_publisher.domain.plan import plan
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import DeliveryStore


class Publishing:
    """What callers ask of the publisher. *wake* tells the dispatcher that there is work."""

    def __init__(
        self,
        store: DeliveryStore,
        directory: TargetDirectory,
        filtering: Filtering,
        *,
        clock: Clock,
        metrics: PublisherMetrics,
        max_age: timedelta,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._directory = directory
        self._filtering = filtering
        self._clock = clock
        self._metrics = metrics
        self._max_age = max_age
        self._wake = wake

    async def publish(self, publications: Sequence[Publication]) -> list[list[str]]:
        """Return the names of the targets that are told about each publication, once that is durable. Idempotent."""
        targets = self._directory.targets
        planned = [[target.name for target in plan(each.event, targets)] for each in publications]
        told = await self._filtering.permitted(publications, planned)
        now = self._clock.now()
        orders = [
            Order(publication=each, target=name, ordered_at=now, give_up_at=later(now, self._max_age))
            for each, names in zip(publications, told, strict=True)
            for name in names
        ]
        if orders:
            await self._store.order(orders)
            reach("publisher.ordered")
            self._wake()
        for each in publications:
            self._metrics.events.labels(each.event.kind.value).inc()
        return told

    async def page(self, wanted: DeliveryFilter, *, limit: int, before: int | None) -> list[Delivery]:
        """Return deliveries, newest first."""
        return await self._store.list_page(wanted, limit=limit, before=before)

    async def retry(self, delivery_ids: Sequence[int]) -> int:
        """Make dead deliveries pending again, as if ordered now, with the keys they had; return how many."""
        now = self._clock.now()
        count = await self._store.retry(delivery_ids, now=now, give_up_at=later(now, self._max_age))
        self._wake()
        return count

    async def figures(self) -> Figures:
        """Return how many deliveries stand where."""
        return await self._store.figures()

    async def figures_by_target(self) -> list[TargetFigures]:
        """Return how many deliveries stand where, the configured targets first and in their order."""
        found = {each.target: each for each in await self._store.figures_by_target()}
        configured = [each.name for each in self._directory.targets]
        names = dict.fromkeys([*configured, *found])
        return [found.get(name) or TargetFigures(target=name) for name in names]
