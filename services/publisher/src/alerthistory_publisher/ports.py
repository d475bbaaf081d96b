"""What the publisher's use cases need from the outside."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from alerthistory_common.alerts import AlertEvent, Fingerprint, Instant
from alerthistory_publisher.domain.decisions import Beginning
from alerthistory_publisher.domain.deliveries import (
    BreakerStanding,
    Claim,
    Delivery,
    DeliveryFilter,
    DeliveryState,
    Figures,
    Order,
    Replay,
    TargetFigures,
)
from alerthistory_publisher.domain.filters import FilterRule
from alerthistory_publisher.domain.outcomes import Answer, Result
from alerthistory_publisher.domain.parcels import Parcel
from alerthistory_publisher.domain.target_sets import Listing
from alerthistory_publisher.domain.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many more deliveries may go to a target now, and until when a claim on them lasts.

    ``is_threaded``: the end of an alert needs the receipt of its beginning.
    """

    target: str
    slots: int
    leased_until: Instant
    is_threaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of earlier orders.

    ``ordered``: where those of the same (event id, target) stand. ``beginnings``: the last delivery about a firing of
    each (fingerprint, target).
    """

    ordered: Mapping[tuple[str, str], DeliveryState]
    beginnings: Mapping[tuple[Fingerprint, str], Beginning]


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

    async def past(self, candidates: Sequence[tuple[AlertEvent, str]]) -> Past:
        """Return where what is ordered already stands, and the last beginnings that *candidates* may be the end of."""
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
        """Make those that are dead pending again; return how many. What is obsolete is superseded."""
        ...

    async def replay(
        self,
        wanted: DeliveryFilter,
        *,
        limit: int,
        interval: timedelta,
        now: Instant,
        give_up_at: Instant,
        is_dry_run: bool,
    ) -> Replay:
        """Make at most *limit* dead deliveries pending again, the oldest first and due one *interval* after another."""
        ...

    async def bury(self, targets: Sequence[str], *, now: Instant) -> int:
        """Give up what is too old and waits for none of *targets*; return how many."""
        ...


class FigureStore(Protocol):
    """Counts deliveries, and keeps how targets are. Raises StoreUnavailableError while the database is away."""

    async def figures(self) -> Figures:
        """Return how many deliveries stand where."""
        ...

    async def figures_by_target(self) -> list[TargetFigures]:
        """Return how many deliveries stand where, of each target that has any, by name."""
        ...

    async def recently_fired(self, since: Instant) -> int:
        """Return how many alerts were ordered to be told as firing at *since* or later, of the 10 000 latest orders."""
        ...

    async def keep_breakers(self, seen: Mapping[str, BreakerStanding]) -> None:
        """Keep how the targets' circuit breakers were seen last."""
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


class RateLimits(Protocol):
    """Counts what is sent to each target, over all replicas while they can talk to each other."""

    async def acquire(self, target: str, limits: Sequence[str]) -> timedelta:
        """Return zero when one more may be sent now, and count it; else how long to wait before asking again."""
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
