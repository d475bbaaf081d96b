"""What the use cases need from outside."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from alerthistory_common.alerts import AlertEvent, Fingerprint, Report, Verdict
from alerthistory_ingest.domain.payload import PayloadFormat
from alerthistory_ingest.domain.quarantine import Quarantined
from alerthistory_ingest.domain.spooled import Spooled, SpoolState
from alerthistory_ingest.domain.work import Judged, Lease, Work, WorkResult

PayloadOutcome = Literal["accepted", "partial", "rejected"]
SpoolOutcome = Literal["spooled", "refused", "replayed", "set_back"]
Stage = Literal["read", "record", "classify", "publish", "complete", "import"]
WorkSource = Literal["record", "complete", "poll"]
WorkOutcome = Literal["completed", "released", "outdated", "lease_over", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one report: the ``decision`` when it was stored, otherwise the ``refusal``."""

    decision: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """What became of one report of the past: stored, unless it was known already or there is a ``refusal``."""

    is_known: bool = False
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One outcome per report, in order, and the work that was leased."""

    outcomes: Sequence[Outcome]
    work: Sequence[Work] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """Work that was leased, and for how long."""

    work: Sequence[Work]
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """Leases that were outdated, and the work that the others unblocked, leased."""

    outdated: Sequence[Lease] = ()
    work: Sequence[Work] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinePage:
    """Quarantined payloads without their bodies, newest first."""

    payloads: Sequence[Quarantined]
    next_page_token: str


class History(Protocol):
    """The history service. Every method raises UnavailableError while it is away."""

    async def record(
        self, reports: Sequence[Report], quarantine: Sequence[Quarantined], *, capacity: int, is_store_only: bool
    ) -> Recorded:
        """Store reports and quarantined payloads durably; lease at most *capacity* of the resulting events.

        With *is_store_only* the reports make events without work.
        """
        ...

    async def import_reports(self, reports: Sequence[Report]) -> Sequence[ImportOutcome]:
        """Store reports of the past durably, as they are; return one outcome each."""
        ...

    async def lease(self, max_count: int) -> Leased:
        """Lease work that nobody does, the oldest first."""
        ...

    async def complete(self, results: Sequence[WorkResult], *, capacity: int) -> Completed:
        """Hand in finished work; lease at most *capacity* of what it unblocks."""
        ...

    async def release(self, leases: Sequence[Lease], *, delay: timedelta) -> None:
        """Give leases back; the work rests for *delay*."""
        ...

    async def list_quarantine(self, *, page_size: int, page_token: str) -> QuarantinePage:
        """Return one page of quarantined payloads."""
        ...

    async def get_quarantined(self, quarantine_id: int) -> Quarantined:
        """Return one quarantined payload with its body; raise NotFoundError when there is none."""
        ...

    async def delete_quarantined(self, quarantine_ids: Sequence[int]) -> None:
        """Delete quarantined payloads."""
        ...


class Spool(Protocol):
    """Payloads that wait on this machine's disk until history can take them."""

    @property
    def state(self) -> SpoolState:
        """What the spool holds."""
        ...

    async def append(self, payloads: Sequence[Spooled]) -> None:
        """Return once *payloads* are on the disk; raise UnavailableError when they are not."""
        ...

    async def oldest(self, *, max_count: int, max_bytes: int) -> Sequence[Spooled]:
        """Return the oldest payloads, those that history refused behind the others; at least one if there is any."""
        ...

    async def remove(self, spool_ids: Iterable[int]) -> None:
        """Forget payloads that history has."""
        ...

    async def set_back(self, spool_id: int) -> None:
        """Put a payload that history refused behind the others."""
        ...


class Classifier(Protocol):
    """The classifier service."""

    async def classify(self, work: Sequence[Work], *, is_required: bool = False) -> Sequence[Verdict | None]:
        """Return of each how serious the alert is, None when the mode asks for no verdict and none *is_required*."""
        ...

    async def verdicts(self, fingerprints: Collection[Fingerprint]) -> Mapping[Fingerprint, Verdict]:
        """Return the stored verdicts of those of *fingerprints* that have one."""
        ...


class Publisher(Protocol):
    """The publisher service."""

    async def publish(self, judged: Sequence[Judged]) -> Sequence[Sequence[str]]:
        """Order the deliveries of events, durably and once; return the names of the targets of each."""
        ...


class Tracer(Protocol):
    """Makes spans."""

    def reading(self, parent: str) -> AbstractContextManager[str]:
        """Run the block in a span below the traceparent *parent*; yields the traceparent of that span."""
        ...

    def together(self, name: str, parents: Collection[str]) -> AbstractContextManager[None]:
        """Run the block in a span below *parents* when they are one traceparent, else in a new trace linked to them."""
        ...

    def processing(self, event: AlertEvent, *, is_young: bool) -> AbstractContextManager[str]:
        """Run the block in a span of the trace that brought *event*, or in a new trace linked to it if it is old.

        Yields the traceparent of that span, empty when there is none.
        """
        ...


class Meter(Protocol):
    """Counts what happens."""

    def payload(self, payload_format: PayloadFormat, outcome: PayloadOutcome) -> None:
        """Count one payload."""
        ...

    def alerts(self, *, accepted: int, refused: int) -> None:
        """Count alerts."""
        ...

    def spooled(self, outcome: SpoolOutcome, count: int = 1) -> None:
        """Count payloads that went into the spool or came out, were refused by it, or were set back in it."""
        ...

    def leased(self, source: WorkSource, work: Sequence[Work]) -> None:
        """Count work that was leased, and what of it another attempt had begun."""
        ...

    def processed(self, outcome: WorkOutcome) -> None:
        """Count one work that left the pipeline."""
        ...

    def failure(self, stage: Stage) -> None:
        """Count a call that failed."""
        ...

    def timing(self, stage: Stage) -> AbstractContextManager[object]:
        """Time the block."""
        ...
