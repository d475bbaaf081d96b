"""What the publisher's use cases need from the outside."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from alerthistory_common.alerts import AlertEvent, Instant
from alerthistory_publisher.domain.deliveries import Claim, Delivery, DeliveryFilter, Figures, Order, TargetFigures
from alerthistory_publisher.domain.filters import FilterRule
from alerthistory_publisher.domain.outcomes import Answer, Result
from alerthistory_publisher.domain.parcels import Parcel
from alerthistory_publisher.domain.target_sets import Listing
from alerthistory_publisher.domain.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many more deliveries may go to a target now, and until when a claim on them lasts."""

    target: str
    slots: int
    leased_until: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """The deliveries whose results were kept, and what was claimed."""

    held: Collection[int] = ()
    claims: Sequence[Claim] = ()


class DeliveryStore(Protocol):
    """Keeps deliveries. Every method raises StoreUnavailableError while the database is away."""

    async def order(self, orders: Sequence[Order]) -> None:
        """Keep *orders*, durably and in their order; those that are already kept are left alone."""
        ...

    async def told(self, candidates: Sequence[tuple[AlertEvent, str]]) -> set[tuple[str, str]]:
        """Return the (event id, target) of those *candidates* that were ordered, or that end what was ordered."""
        ...

    async def advance(self, results: Sequence[Result], rooms: Sequence[Room], *, now: Instant) -> Advance:
        """Keep what came of attempts, then claim due deliveries, in one transaction.

        A result whose delivery was claimed anew meanwhile is dropped. At most as many are claimed as there is room, and
        per (target, alert) only the oldest pending.
        """
        ...

    async def list_page(self, wanted: DeliveryFilter, *, limit: int, before: int | None) -> list[Delivery]:
        """Return deliveries, newest first, with identities below *before*."""
        ...

    async def retry(self, delivery_ids: Sequence[int], *, now: Instant, give_up_at: Instant) -> int:
        """Make those that are dead pending again; return how many."""
        ...

    async def bury(self, targets: Sequence[str], *, now: Instant) -> int:
        """Give up what is too old and waits for none of *targets*; return how many."""
        ...

    async def figures(self) -> Figures:
        """Return how many deliveries stand where."""
        ...

    async def figures_by_target(self) -> list[TargetFigures]:
        """Return how many deliveries stand where, of each target that has any, by name."""
        ...


class RuleStore(Protocol):
    """Keeps filter rules. Every method raises StoreUnavailableError while the database is away."""

    async def list_all(self) -> list[FilterRule]:
        """Return all rules, by priority and age; what this version cannot read is left out."""
        ...

    async def add(self, rule: FilterRule) -> None:
        """Keep *rule*, durably."""
        ...

    async def delete(self, name: str, target: str) -> int:
        """Delete all rules of *name* for *target*; return how many there were."""
        ...


class Sender(Protocol):
    """Talks to receivers."""

    async def send(self, target: Target, parcel: Parcel) -> Answer:
        """Return what *target* answered. Takes at most the target's timeout, and never raises for what it does."""
        ...


class TargetSource(Protocol):
    """Where targets are configured. ``name`` is what it is called in metrics, logs and problems."""

    @property
    def name(self) -> str:
        """One word."""
        ...

    async def load(self) -> Listing:
        """Return all that it holds.

        Raises InvalidTargetsError when it cannot be used as a whole, naming every problem, and TargetSourceAwayError
        when it does not answer for now. What could be read only in part is not returned.
        """
        ...

    async def watch(self, hint: Callable[[], None]) -> None:
        """Call *hint* whenever something may have changed, until cancelled; return if nothing ever tells of it."""
        ...
