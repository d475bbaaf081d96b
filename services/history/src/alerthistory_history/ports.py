"""What the use cases need of the store, and whom they tell what happened."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from alerthistory_common.alerts import EventKind, Fingerprint, Instant, Report, Severity

from .domain.counts import AlertDay, Counts
from .domain.importing import ImportResult
from .domain.records import (
    AlertFilter,
    AlertRecord,
    Completed,
    CountedOccurrence,
    EventFilter,
    EventPage,
    Lease,
    Occurrence,
    OccurrenceFilter,
    Position,
    QuarantinedPayload,
    Recorded,
    Status,
    Submission,
    TieOrder,
    Work,
)
from .domain.reports import AlertIdentity, Order, Question, RankedAlert, Sums
from .domain.retention import Cutoff, Partition, Swept, TablePlan, TableSize
from .domain.rollups import Folded, Uncounted
from .domain.slices import Dimension
from .domain.stats import ReceivedOccurrence, Totals

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one commit stored: one answer per submission, and how many old payloads quarantine dropped for it."""

    recorded: Sequence[Recorded]
    dropped_payloads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one round of settling did; ``is_done`` when nothing more was due."""

    kinds: Sequence[EventKind] = field(default_factory=tuple)
    is_done: bool = True


class RecordStore(Protocol):
    """Folds reports and time into alerts. Every call is one transaction; returning means committed."""

    async def record(self, batch: Sequence[Submission], now: Instant) -> Commit:
        """Store *batch*; raise StoreRefusedError when anything in it cannot be stored. Then nothing was."""
        ...

    async def settle(self, now: Instant, *, limit: int) -> Settled:
        """Let *now* come for at most *limit* alerts for which something is due."""
        ...


class ImportStore(Protocol):
    """Stores the past."""

    async def import_reports(self, reports: Sequence[Report], now: Instant) -> Sequence[ImportResult]:
        """Store *reports* in one transaction; raise StoreRefusedError when one cannot be stored. Then none was."""
        ...


class WorkStore(Protocol):
    """The queue over the events that need the pipeline."""

    async def lease(self, owner: str, limit: int, now: Instant) -> Sequence[Work]:
        """Lease the oldest available work, at most one per alert and none before an older one of its alert."""
        ...

    async def complete(
        self, verdicts: Sequence[tuple[Lease, Severity | None]], *, owner: str, limit: int, now: Instant
    ) -> Completed:
        """Delete finished work, keep its verdicts with the alerts, and lease at most *limit* of what that unblocks."""
        ...

    async def release(self, leases: Sequence[Lease], *, available_at: Instant) -> None:
        """Give leases back, to be handed out again from *available_at* on; outdated ones are ignored."""
        ...

    async def pending(self, now: Instant) -> tuple[int, float]:
        """Return how much work waits or is in hand, and the age of the oldest in seconds (0 when there is none)."""
        ...


class EventStore(Protocol):
    """Reads events in their order, (txid, seq)."""

    async def after(self, position: Position, *, limit: int) -> EventPage:
        """Return the events after *position* which no unfinished commit can precede any more."""
        ...

    async def start(self, *, backlog: int) -> Position:
        """Return the position before the last *backlog* events."""
        ...

    async def page(self, wanted: EventFilter, *, newest_first: bool, after: Position | None, limit: int) -> EventPage:
        """Return a page of the events that are wanted."""
        ...


class ReadStore(Protocol):
    """Answers questions about alerts and occurrences."""

    async def alert(self, fingerprint: Fingerprint) -> AlertRecord | None:
        """Return one alert."""
        ...

    async def alerts(
        self, wanted: AlertFilter, *, after: tuple[int, bytes] | None, limit: int
    ) -> Sequence[tuple[AlertRecord, tuple[int, bytes]]]:
        """Return a page of alerts, last changed first, each with its position."""
        ...

    async def occurrences(
        self, wanted: OccurrenceFilter, *, ties: TieOrder, after: tuple[int, int] | None, limit: int
    ) -> Sequence[Occurrence]:
        """Return a page of occurrences, latest start first; *after* is (start, id) of the last one seen."""
        ...

    async def counted(self, wanted: OccurrenceFilter, *, limit: int) -> Sequence[CountedOccurrence]:
        """Return what a report counts of the first *limit* occurrences, in history order."""
        ...

    async def totals(self, *, limit: int) -> Totals:
        """Return how the *limit* occurrences with the latest starts were last reported."""
        ...

    async def received_count(self, *, since: int) -> int:
        """Return how many occurrences were last received at the microsecond *since* or later."""
        ...

    async def received(self, *, since: int, limit: int) -> Sequence[ReceivedOccurrence]:
        """Return at most *limit* occurrences that were last received at *since* or later, the latest first."""
        ...

    async def status(self, now: Instant, started_at: Instant) -> Status:
        """Return figures for dashboards."""
        ...


class RollupStore(Protocol):
    """Keeps the counts of events."""

    async def position(self) -> Position:
        """Return where the last counted event stands."""
        ...

    async def uncounted(self, position: Position, *, limit: int) -> Uncounted:
        """Return at most *limit* events after *position* which no unfinished commit can precede any more."""
        ...

    async def oldest_uncounted(self) -> Instant | None:
        """Return when the first event happened that is not counted; None when all are."""
        ...

    async def add(self, folded: Folded, *, since: Position) -> bool:
        """Add counts of the events after *since*, and move the position in the same transaction.

        Return False, having done nothing, when another replica has counted them meanwhile.
        """
        ...

    async def reset(self) -> None:
        """Forget all counts: the log is to be counted anew."""
        ...

    async def delete_before(self, day: int, *, limit: int) -> int:
        """Delete at most *limit* rows that are about days before *day*, and return how many; 0 when none is left."""
        ...


class ReportSnapshot(Protocol):
    """Counts of all events that were committed at one moment.

    What a question tells apart is known by the hash of its text; 0 stands for all when nothing is told apart.
    """

    async def sums(self, question: Question) -> Mapping[int, Sums]:
        """Return the sums of the window."""
        ...

    async def periods(self, question: Question) -> Mapping[int, Sums]:
        """Return the sums of every period of the window in which something happened; nothing is told apart."""
        ...

    async def details(self, question: Question, values: Iterable[int]) -> Mapping[int, Mapping[int, Counts]]:
        """Return the whole counts of every period of the window, for those *values* of what is told apart."""
        ...

    async def firing(self, question: Question) -> Mapping[int, int]:
        """Return how many alerts fire at this moment."""
        ...

    async def contents(self, dimension: Dimension, hashes: Iterable[int]) -> Mapping[int, str]:
        """Return the texts that some hashes of *dimension* stand for."""
        ...

    async def ranking(
        self, question: Question, order: Order, *, after: RankedAlert | None, limit: int
    ) -> Sequence[RankedAlert]:
        """Return the first *limit* single alerts of those behind *after*."""
        ...

    async def alert_days(self, keys: Sequence[int], question: Question) -> Mapping[int, Mapping[int, AlertDay]]:
        """Return what happened to single alerts, day by day, since the window's begin."""
        ...

    async def identities(self, keys: Sequence[int]) -> Mapping[int, AlertIdentity]:
        """Return which alerts some keys stand for."""
        ...


class ReportStore(Protocol):
    """Reads what is counted, together with the events that are not counted yet."""

    async def read(self, work: Callable[[ReportSnapshot], Awaitable[T]]) -> T:
        """Return the result of *work* on the counts as of now; raise UnavailableError when counting is far behind."""
        ...


class QuarantineStore(Protocol):
    """Reads and deletes quarantined payloads."""

    async def page(self, *, after: tuple[int, int] | None, limit: int) -> Sequence[QuarantinedPayload]:
        """Return a page of payloads without their bodies, newest first; *after* is (received, id) of the last seen."""
        ...

    async def payload(self, quarantine_id: int) -> QuarantinedPayload | None:
        """Return one payload with its body."""
        ...

    async def delete(self, quarantine_ids: Sequence[int]) -> int:
        """Delete payloads and return how many there were."""
        ...


class PartitionStore(Protocol):
    """The partitions of events, where the database has them."""

    @property
    def has_partitions(self) -> bool:
        """Whether events lie in partitions here."""
        ...

    async def prepare(self, now: Instant, *, weeks_ahead: int) -> Sequence[str]:
        """Make the partitions of this week and of the *weeks_ahead* that are missing; return their names."""
        ...

    async def partitions(self) -> Sequence[Partition]:
        """Return all but the default one."""
        ...

    async def drop(self, partition: Partition) -> int:
        """Drop a partition; return how many events went, 0 when another replica has dropped it."""
        ...


class RetentionStore(Protocol):
    """Deletes what is old."""

    async def sweep(self, table: str, cutoff: Cutoff, *, after: tuple[Any, ...] | None, limit: int) -> Swept:
        """Delete at most *limit* old rows of *table* with keys after *after*."""
        ...

    async def plan(self, cutoff: Cutoff) -> Sequence[TablePlan]:
        """Return what would go now, by table."""
        ...

    async def sizes(self) -> Sequence[TableSize]:
        """Return how large the tables are."""
        ...

    async def reclaim(self) -> bool:
        """Give some space back to the file system; return whether there is more."""
        ...


class RetentionObserver(Protocol):
    """Is told what retention did and found."""

    def retained(self, deleted: Mapping[str, int], *, at: Instant, seconds: float) -> None:
        """A run is over, which began *at*."""
        ...

    def sized(self, sizes: Sequence[TableSize]) -> None:
        """The tables are so large."""
        ...


class Observer(Protocol):
    """Is told what happened, to count it."""

    def committed(self, commit: Commit, *, reports: int, seconds: float) -> None:
        """Reports were stored."""
        ...

    def refused(self, count: int) -> None:
        """The store refused reports or payloads."""
        ...

    def settled(self, kinds: Iterable[EventKind]) -> None:
        """Time changed alerts."""
        ...

    def pending(self, count: int, oldest_age_s: float) -> None:
        """So much work waits or is in hand."""
        ...


class CountingObserver(Protocol):
    """Is told how counting goes."""

    def counted(self, events: int, seconds: float) -> None:
        """So many events were counted."""
        ...

    def behind(self, seconds: float) -> None:
        """The oldest event that is not counted happened so long ago."""
        ...
