"""What history stores and hands out: submissions, occurrences, alerts, work, quarantined payloads, figures."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field

from alerthistory_common.alerts import AlertEvent, Fingerprint, HistoryContext, Instant, Report, Severity

from .selection import ALL, Selection
from .state import AlertState, Change


class OccurrenceKey(NamedTuple):
    """What makes two reports speak of the same occurrence."""

    fingerprint: Fingerprint
    start: int


class QuarantineError(Struct, frozen=True, kw_only=True):
    """Why one element of a payload was refused; ``index`` is -1 when the payload as a whole was."""

    index: int
    message: str


class QuarantinedPayload(Struct, frozen=True, kw_only=True):
    """A payload that could not be stored, in whole or in part. ``body`` is empty in listings."""

    quarantine_id: int = 0
    body: bytes
    format: str
    sender: str
    received_at: Instant
    errors: tuple[QuarantineError, ...]
    error_count: int
    body_size: int
    times_received: int = 1


class Submission(Struct, frozen=True, kw_only=True):
    """What one caller hands over to be stored, and how much of the resulting work it can take."""

    reports: Sequence[Report]
    quarantine: Sequence[QuarantinedPayload] = ()
    lease_owner: str = ""
    lease_capacity: int = 0
    is_store_only: bool = False


class Work(Struct, frozen=True, kw_only=True):
    """An event that a caller has leased to take through the pipeline. ``attempt`` fences off earlier leases."""

    work_id: int
    attempt: int
    event: AlertEvent
    history: HistoryContext


class Lease(NamedTuple):
    """Names one lease of one work."""

    work_id: int
    attempt: int


class ReportResult(Struct, frozen=True, kw_only=True):
    """What became of one report: a decision, or the reason why the store refused it."""

    decision: str = ""
    refusal: str = ""


class Recorded(Struct, frozen=True, kw_only=True):
    """What became of a submission: one result per report, in order, and the work leased to the caller."""

    results: Sequence[ReportResult]
    work: Sequence[Work] = ()


class Completed(Struct, frozen=True, kw_only=True):
    """What became of handed-in work: the leases that were outdated, and the work that was unblocked and leased."""

    outdated: Sequence[Lease]
    work: Sequence[Work]


class StoredAlert(Struct, frozen=True, kw_only=True):
    """One alert as it is kept: its effective state, and its content as last reported.

    ``is_store_only`` says whether that report asked for no work; what time brings makes none then either.
    ``settle_due_at`` is when time was to come for it as of its last write, None when it never was or is unknown.
    """

    fingerprint: Fingerprint
    state: AlertState = field(default_factory=AlertState)
    alert_name: str = ""
    namespace: str = ""
    severity_label: str = ""
    labels_json: bytes = b"{}"
    first_seen_at: int | None = None
    ended_at: int | None = None
    last_event_txid: int = 0
    is_store_only: bool = False
    changed_at: int | None = None
    settle_due_at: int | None = None


class AlertRecord(Struct, frozen=True, kw_only=True):
    """One alert as it is shown: ``severity`` is that of the last verdict."""

    alert: StoredAlert
    severity: Severity | None


class AlertChange(Struct, frozen=True, kw_only=True):
    """A change of one alert. ``episode`` numbers the alert's episodes from 1; ``submission`` is that of the report."""

    fingerprint: Fingerprint
    change: Change
    episode: int
    submission: int | None = None


class OccurrenceWrite(Struct, frozen=True, kw_only=True):
    """The reports of one occurrence inside one commit, folded into the last.

    ``position`` counts the accepted reports of the commit from 0; the occurrence's new id is given by it.
    """

    report: Report
    position: int
    times: int
    first_received_at: Instant


class Occurrence(Struct, frozen=True, kw_only=True):
    """One (fingerprint, start), with the content as last reported."""

    occurrence_id: int
    fingerprint: Fingerprint
    alert_name: str
    is_firing: bool
    starts_at: Instant
    ends_at: Instant | None
    labels_json: bytes
    annotations_json: bytes
    generator_url: str | None
    first_received_at: int
    last_received_at: int
    times_received: int


class TieOrder(StrEnum):
    """How occurrences with equal starts are ordered."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


class OccurrenceFilter(Struct, frozen=True, kw_only=True):
    """Which occurrences are wanted; empty texts and None do not restrict. The bounds are inclusive microseconds.

    ``selection`` is about the alerts that they are of.
    """

    alert_name: str = ""
    is_firing: bool | None = None
    fingerprint: str = ""
    starts_from: int | None = None
    starts_to: int | None = None
    namespace: str = ""
    severity_label: str = ""
    selection: Selection = ALL


class AlertFilter(Struct, frozen=True, kw_only=True):
    """Which alerts are wanted; empty texts and None do not restrict. The bounds are inclusive microseconds."""

    alert_name: str = ""
    namespace: str = ""
    is_firing: bool | None = None
    severity: Severity | None = None
    changed_from: int | None = None
    changed_to: int | None = None
    selection: Selection = ALL


class EventFilter(Struct, frozen=True, kw_only=True):
    """Which events are wanted: of which alerts, when, and whether these fire afterwards. The bounds are inclusive."""

    fingerprint: str = ""
    of: AlertFilter = field(default_factory=AlertFilter)
    is_firing: bool | None = None
    occurred_from: int | None = None
    occurred_to: int | None = None


class CountedOccurrence(Struct, frozen=True, kw_only=True):
    """What a report counts of one occurrence."""

    alert_name: str
    is_firing: bool
    namespace: str
    labels_json: bytes


class ReportRow(Struct, frozen=True, kw_only=True):
    """The counts of one key of a report."""

    key: str
    count: int
    firing: int
    resolved: int


class Position(NamedTuple):
    """Where an event stands among all events; the order of these is the order of the events."""

    txid: int
    seq: int


class EventPage(Struct, frozen=True, kw_only=True):
    """Events in order. ``is_held_back`` says that later ones exist which an unfinished commit may still precede."""

    events: Sequence[AlertEvent]
    is_held_back: bool = False


class Status(Struct, frozen=True, kw_only=True):
    """Figures for dashboards."""

    occurrences: int
    alerts: int
    firing_alerts: int
    events: int
    pending_work: int
    oldest_pending_age: timedelta | None
    quarantined_payloads: int
    database_size_bytes: int
    database_type: str
    started_at: Instant
