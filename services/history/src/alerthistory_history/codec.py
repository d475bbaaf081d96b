"""Total translations between history's words and its protobuf messages."""

from collections.abc import Sequence

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.alert.v1 import alert_pb2
from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1 import quarantine_pb2, work_pb2
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Instant, Report, Severity
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_common.matchers import Matcher, MatchOp

from .domain import legacy
from .domain.commit import is_storable
from .domain.importing import ImportOutcome, ImportResult
from .domain.records import (
    AlertFilter,
    AlertRecord,
    EventFilter,
    Lease,
    Occurrence,
    OccurrenceFilter,
    QuarantinedPayload,
    QuarantineError,
    Recorded,
    Status,
    Submission,
    TieOrder,
    Work,
)
from .domain.retention import RetentionPlan
from .domain.selection import Selection, search_terms
from .domain.stats import Share, Stats

MAX_REPORTS = 20_000
MAX_IMPORTED = 5000
MAX_RESULTS = 10_000
MAX_LEASED = 1000
MAX_COUNTED = 1_000_000
_MAX_ERRORS = 100
_MAX_MATCHERS = 20
_MAX_SEARCH = 1000
_MATCH_OPS = {pb.MatchOp.Value(f"MATCH_OP_{each.name}"): each for each in MatchOp}
_TIES = {pb.TIE_ORDER_OLDEST_FIRST: TieOrder.OLDEST_FIRST}
_IMPORT_OUTCOMES = {each: pb.ImportOutcome.Value(f"IMPORT_OUTCOME_{each.name}") for each in ImportOutcome}
_NOTHING = OccurrenceFilter(starts_from=1, starts_to=0)


def submission(request: pb.RecordAlertsRequest, *, now: Instant) -> Submission:
    """Return what is handed over; raise InvalidArgumentError when the call as a whole is wrong."""
    at_most("reports", len(request.reports), MAX_REPORTS)
    _not_negative("lease_capacity", request.lease_capacity)
    return Submission(
        reports=[alert_codec.report(message) for message in request.reports],
        quarantine=[_payload(message, now) for message in request.quarantine],
        lease_owner=request.lease_owner,
        lease_capacity=min(request.lease_capacity, MAX_LEASED),
        is_store_only=request.store_only,
    )


def recorded_message(recorded: Recorded) -> pb.RecordAlertsResponse:
    """Return the answer to a submission."""
    return pb.RecordAlertsResponse(
        results=[pb.RecordResult(decision=each.decision, refusal=each.refusal) for each in recorded.results],
        work=work_messages(recorded.work),
    )


def past_reports(request: pb.ImportOccurrencesRequest) -> list[Report]:
    """Return the reports of the past; raise InvalidArgumentError when there are too many."""
    at_most("reports", len(request.reports), MAX_IMPORTED)
    return [alert_codec.report(message) for message in request.reports]


def import_result_message(result: ImportResult) -> pb.ImportResult:
    """Return what became of a report of the past as a message."""
    return pb.ImportResult(outcome=_IMPORT_OUTCOMES[result.outcome], refusal=result.refusal)


def work_messages(work: Sequence[Work]) -> list[work_pb2.Work]:
    """Return *work* as messages."""
    return [
        work_pb2.Work(
            work_id=each.work_id,
            attempt=each.attempt,
            event=alert_codec.event_message(each.event),
            history=alert_codec.history_message(each.history),
        )
        for each in work
    ]


def lease(message: work_pb2.WorkLease) -> Lease:
    """Return the lease in *message*."""
    return Lease(message.work_id, message.attempt)


def lease_message(named: Lease) -> work_pb2.WorkLease:
    """Return *named* as a message."""
    return work_pb2.WorkLease(work_id=named.work_id, attempt=named.attempt)


def verdicts(request: pb.CompleteWorkRequest) -> list[tuple[Lease, Severity | None]]:
    """Return the finished leases with the severities found; None when the alert was not judged."""
    at_most("results", len(request.results), MAX_RESULTS)
    _not_negative("lease_capacity", request.lease_capacity)
    return [(lease(result.lease), alert_codec.severity(result.verdict.severity)) for result in request.results]


def leases(request: pb.ReleaseWorkRequest) -> list[Lease]:
    """Return the leases that are given back."""
    at_most("leases", len(request.leases), MAX_RESULTS)
    return [lease(message) for message in request.leases]


def occurrence_filter(message: pb.OccurrenceFilter) -> OccurrenceFilter:
    """Return which occurrences are wanted."""
    if message.status not in {"", "firing", "resolved"}:
        return _NOTHING
    return OccurrenceFilter(
        alert_name=message.alert_name,
        is_firing=message.status == "firing" if message.status else None,
        fingerprint=message.fingerprint,
        starts_from=_latest(_from(message.starts_at_text_from), _since(message, "started_since")),
        starts_to=_earliest(_to(message.starts_at_text_to), _until(message, "started_until")),
        namespace=message.namespace,
        severity_label=message.severity_label,
        selection=_selection(message),
    )


def event_filter(request: pb.ListEventsRequest) -> EventFilter:
    """Return which events are wanted."""
    message = request.filter
    return EventFilter(
        fingerprint=request.fingerprint,
        of=AlertFilter(
            alert_name=message.alert_name,
            namespace=message.namespace,
            severity=alert_codec.severity(message.severity),
            selection=_selection(message),
        ),
        is_firing=message.is_firing if message.HasField("is_firing") else None,
        occurred_from=_since(message, "occurred_since"),
        occurred_to=_until(message, "occurred_until"),
    )


def reported(request: pb.GetReportRequest) -> OccurrenceFilter:
    """Return which occurrences a report counts."""
    return OccurrenceFilter(starts_from=_from(request.starts_at_text_from), starts_to=_to(request.starts_at_text_to))


def tie_order(value: pb.TieOrder.ValueType) -> TieOrder:
    """Return the order of an enum value."""
    return _TIES.get(value, TieOrder.NEWEST_FIRST)


def alert_filter(message: pb.AlertFilter) -> AlertFilter:
    """Return which alerts are wanted."""
    return AlertFilter(
        alert_name=message.alert_name,
        namespace=message.namespace,
        is_firing=message.is_firing if message.HasField("is_firing") else None,
        severity=alert_codec.severity(message.severity),
        changed_from=_since(message, "changed_since"),
        changed_to=_until(message, "changed_until"),
        selection=_selection(message),
    )


def alert_message(record: AlertRecord) -> alert_pb2.Alert:
    """Return an alert as a message."""
    alert, state = record.alert, record.alert.state
    return alert_pb2.Alert(
        fingerprint=alert.fingerprint,
        alert_name=alert.alert_name,
        is_firing=state.is_firing,
        is_stale=state.is_stale,
        starts_at=_stamp(state.start),
        ends_at=_stamp(alert.ended_at),
        labels_json=alert.labels_json,
        annotations_json=state.annotations_json,
        generator_url=state.generator_url,
        severity_label=alert.severity_label,
        namespace=alert.namespace,
        severity=alert_codec.severity_message(record.severity),
        first_seen_at=_stamp(alert.first_seen_at),
        last_seen_at=_stamp(state.last_seen_at),
        times_seen=state.times_seen,
        times_fired=state.times_fired,
    )


def occurrence_message(occurrence: Occurrence) -> alert_pb2.Occurrence:
    """Return an occurrence as a message."""
    return alert_pb2.Occurrence(
        id=occurrence.occurrence_id,
        fingerprint=occurrence.fingerprint,
        alert_name=occurrence.alert_name,
        is_firing=occurrence.is_firing,
        starts_at=alert_codec.timestamp(occurrence.starts_at),
        ends_at=None if occurrence.ends_at is None else alert_codec.timestamp(occurrence.ends_at),
        labels_json=occurrence.labels_json,
        annotations_json=occurrence.annotations_json,
        generator_url=occurrence.generator_url,
        first_received_at=_stamp(occurrence.first_received_at),
        last_received_at=_stamp(occurrence.last_received_at),
        times_received=occurrence.times_received,
    )


def payload_message(payload: QuarantinedPayload) -> quarantine_pb2.QuarantinedPayload:
    """Return a quarantined payload as a message."""
    return quarantine_pb2.QuarantinedPayload(
        quarantine_id=payload.quarantine_id,
        body=payload.body,
        format=payload.format,
        sender=payload.sender,
        received_at=alert_codec.timestamp(payload.received_at),
        errors=[quarantine_pb2.QuarantineError(index=each.index, message=each.message) for each in payload.errors],
        error_count=payload.error_count,
        body_size=payload.body_size,
        times_received=payload.times_received,
    )


def stats_message(found: Stats) -> pb.GetStatsResponse:
    """Return counts as a message."""
    recent, totals = found.recent, found.totals
    return pb.GetStatsResponse(
        total=totals.firing + totals.resolved,
        firing=totals.firing,
        resolved=totals.resolved,
        received=found.received,
        timeline=[
            pb.StatsHour(
                begins_at=_stamp(hour.begins_at),
                firing=hour.firing,
                resolved=hour.resolved,
                critical=hour.critical,
                warning=hour.warning,
                info=hour.info,
            )
            for hour in recent.timeline
        ],
        top_alerts=[
            pb.StatsTopAlert(
                alert_name=top.last.alert_name,
                namespace=top.last.namespace,
                count=top.count,
                last_received_at=_stamp(top.last.received_at),
                severity_label=top.last.severity_label,
                is_firing=top.last.is_firing,
            )
            for top in recent.top_alerts
        ],
        severities=_shares(recent.severities),
        statuses=_shares(recent.statuses),
        namespaces=_shares(recent.namespaces),
    )


def status_message(status: Status, retention_days: int | None) -> pb.GetStatusResponse:
    """Return figures as a message."""
    age = status.oldest_pending_age
    return pb.GetStatusResponse(
        occurrences=status.occurrences,
        alerts=status.alerts,
        firing_alerts=status.firing_alerts,
        events=status.events,
        pending_work=status.pending_work,
        oldest_pending_age=None if age is None else alert_codec.duration(age),
        quarantined_payloads=status.quarantined_payloads,
        database_size_bytes=status.database_size_bytes,
        database_type=status.database_type,
        started_at=alert_codec.timestamp(status.started_at),
        retention_days=retention_days or 0,
    )


def required(field: str, value: str) -> str:
    """Return *value*; raise InvalidArgumentError when it is empty."""
    if not value:
        raise _invalid(field, "is required")
    return value


def between(field: str, value: int, *, lowest: int, highest: int) -> int:
    """Return *value*; raise InvalidArgumentError when it is out of bounds."""
    if not lowest <= value <= highest:
        raise _invalid(field, f"must be {lowest} to {highest}")
    return value


def _shares(found: Sequence[Share]) -> list[pb.StatsShare]:
    return [pb.StatsShare(value=value, count=count) for value, count in found]


def _payload(message: quarantine_pb2.QuarantinedPayload, now: Instant) -> QuarantinedPayload:
    received_at = alert_codec.instant(message.received_at)
    errors = tuple(QuarantineError(index=each.index, message=each.message) for each in message.errors[:_MAX_ERRORS])
    return QuarantinedPayload(
        body=message.body,
        format=message.format,
        sender=message.sender,
        received_at=received_at if message.HasField("received_at") and is_storable(received_at) else now,
        errors=errors,
        error_count=max(message.error_count, len(message.errors)),
        body_size=max(message.body_size, len(message.body)),
    )


def _selection(message: pb.AlertFilter | pb.OccurrenceFilter | pb.EventFilter) -> Selection:
    at_most("filter.matchers", len(message.matchers), _MAX_MATCHERS)
    if len(message.search) > _MAX_SEARCH:
        raise _invalid("filter.search", f"must not be longer than {_MAX_SEARCH} characters")
    return Selection(
        matchers=tuple(_matcher(f"filter.matchers[{index}]", each) for index, each in enumerate(message.matchers)),
        terms=search_terms(message.search),
    )


def _matcher(field: str, message: pb.LabelMatcher) -> Matcher:
    op = _MATCH_OPS.get(message.op)
    if op is None:
        raise _invalid(f"{field}.op", "must say how the label is compared")
    try:
        return Matcher(message.name, op, message.value)
    except ValueError as error:
        raise _invalid(field, f"is wrong: {error}") from error


def _since(message: Message, field: str) -> int | None:
    return alert_codec.instant(getattr(message, field)).micros if message.HasField(field) else None


def _until(message: Message, field: str) -> int | None:
    # Exclusive in the contract, inclusive here; nanoseconds are cut off what is stored.
    if not message.HasField(field):
        return None
    moment = alert_codec.instant(getattr(message, field))
    return moment.micros if moment.nanos else moment.micros - 1


def _latest(*bounds: int | None) -> int | None:
    return max((bound for bound in bounds if bound is not None), default=None)


def _earliest(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)


def _from(text: str) -> int | None:
    return legacy.first_moment_from(text) if text else None


def _to(text: str) -> int | None:
    return legacy.last_moment_to(text) if text else None


def _stamp(micros: int | None) -> Timestamp | None:
    return None if micros is None else alert_codec.timestamp(Instant(micros))


def at_most(field: str, count: int, limit: int) -> None:
    """Raise InvalidArgumentError when more than *limit* are given."""
    if count > limit:
        raise _invalid(field, f"holds {count}, at most {limit} are taken at once")


def _not_negative(field: str, value: int) -> None:
    if value < 0:
        raise _invalid(field, "must not be negative")


def _invalid(field: str, description: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{field} {description}", FieldViolation(field=field, description=description))


def plan_message(plan: RetentionPlan) -> pb.PlanRetentionResponse:
    """Return what retention would delete; tables that it leaves alone are told with their sizes."""
    going = {each.table: each for each in plan.tables}
    tables = [
        pb.RetentionTable(
            table=size.table,
            rows=going[size.table].rows if size.table in going else 0,
            bytes=going[size.table].bytes if size.table in going else 0,
            total_rows=size.rows,
            total_bytes=size.bytes,
        )
        for size in plan.sizes
    ]
    return pb.PlanRetentionResponse(
        configured_days=plan.configured_days or 0,
        days=plan.days or 0,
        cutoff=None if plan.cutoff is None else alert_codec.timestamp(plan.cutoff),
        tables=tables,
    )
