"""Translations from the services' messages into records.

A value that only a later version knows raises FailedPreconditionError: guessing would show something untrue.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.history.v1 import quarantine_pb2
from alerthistory.ingest.v1 import ingest_service_pb2 as ingest_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory_client.records import (
    AcceptedAlert,
    Alert,
    Classification,
    EnrichmentMode,
    HistoryStatus,
    ImportResult,
    IngestStatus,
    ModeInForce,
    ModeSource,
    Occurrence,
    PastAlert,
    Payload,
    PayloadFormat,
    PayloadResult,
    PublisherStatus,
    QuarantinedPayload,
    Refusal,
    ReplayResult,
    RetentionPlan,
    RetentionTable,
    Spool,
)
from alerthistory_common import alert_codec
from alerthistory_common.alerts import AlertEvent, Fingerprint, Instant
from alerthistory_common.errors import FailedPreconditionError
from alerthistory_common.matchers import Matcher, MatchOp

_E = TypeVar("_E", bound=StrEnum)

FORMATS = {each: ingest_pb2.PayloadFormat.Value(f"PAYLOAD_FORMAT_{each.name}") for each in PayloadFormat}
MODES = {each: classifier_pb2.EnrichmentMode.Value(f"ENRICHMENT_MODE_{each.name}") for each in EnrichmentMode}
_MATCH_OPS = {each: history_pb2.MatchOp.Value(f"MATCH_OP_{each.name}") for each in MatchOp}
_SOURCES = {each: classifier_pb2.ModeSource.Value(f"MODE_SOURCE_{each.name}") for each in ModeSource}


def alert(message: alert_pb2.Alert) -> Alert:
    """Return the alert in *message*."""
    return Alert(
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        namespace=message.namespace,
        is_firing=message.is_firing,
        is_stale=message.is_stale,
        severity=alert_codec.severity(message.severity),
        severity_label=message.severity_label,
        starts_at=_optional(message.HasField("starts_at"), message.starts_at),
        ends_at=_optional(message.HasField("ends_at"), message.ends_at),
        labels_json=message.labels_json,
        annotations_json=message.annotations_json,
        generator_url=message.generator_url if message.HasField("generator_url") else None,
        first_seen_at=alert_codec.instant(message.first_seen_at),
        last_seen_at=alert_codec.instant(message.last_seen_at),
        times_seen=message.times_seen,
        times_fired=message.times_fired,
    )


def occurrence(message: alert_pb2.Occurrence) -> Occurrence:
    """Return the occurrence in *message*."""
    return Occurrence(
        id=message.id,
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        is_firing=message.is_firing,
        starts_at=alert_codec.instant(message.starts_at),
        ends_at=_optional(message.HasField("ends_at"), message.ends_at),
        labels_json=message.labels_json,
        annotations_json=message.annotations_json,
        generator_url=message.generator_url if message.HasField("generator_url") else None,
        first_received_at=alert_codec.instant(message.first_received_at),
        last_received_at=alert_codec.instant(message.last_received_at),
        times_received=message.times_received,
    )


def event(message: alert_pb2.AlertEvent) -> AlertEvent:
    """Return the event in *message*."""
    try:
        return alert_codec.event(message)
    except ValueError as error:
        raise too_new(str(error)) from error


def matcher_message(matcher: Matcher) -> history_pb2.LabelMatcher:
    """Return *matcher* as a message."""
    return history_pb2.LabelMatcher(name=matcher.name, op=_MATCH_OPS[matcher.op], value=matcher.value)


def optional_timestamp(moment: Instant | None) -> Timestamp | None:
    """Return *moment* as a message, if there is one."""
    return None if moment is None else alert_codec.timestamp(moment)


def payload_message(payload: Payload) -> ingest_pb2.Payload:
    """Return *payload* as a message."""
    return ingest_pb2.Payload(body=payload.body, format=FORMATS[payload.format], sender=payload.sender)


def payload_result(message: ingest_pb2.PayloadResult) -> PayloadResult:
    """Return the result in *message*."""
    return PayloadResult(
        accepted=tuple(
            AcceptedAlert(alert_name=each.alert_name, is_firing=each.is_firing, decision=each.decision)
            for each in message.accepted
        ),
        refused_count=message.refused_count,
        errors=tuple(_refusal(each) for each in message.errors),
        rejection=message.rejection,
    )


def past_alert_message(alert: PastAlert) -> ingest_pb2.PastAlert:
    """Return an alert of the past as a message."""
    return ingest_pb2.PastAlert(alert_json=alert.alert_json, received_at=alert_codec.timestamp(alert.received_at))


def import_result(message: ingest_pb2.ImportAlertResult) -> ImportResult:
    """Return what became of an alert of the past."""
    return ImportResult(is_known=message.is_known, refusal=message.refusal)


def classification_message(classification: Classification) -> classifier_pb2.Classification:
    """Return *classification* as a message."""
    return classifier_pb2.Classification(
        fingerprint=classification.fingerprint,
        alert_name=classification.alert_name,
        verdict=alert_codec.verdict_message(classification.verdict),
        created_at=alert_codec.timestamp(classification.created_at),
        metadata_json=classification.metadata_json,
    )


def quarantined(message: quarantine_pb2.QuarantinedPayload) -> QuarantinedPayload:
    """Return the quarantined payload in *message*."""
    return QuarantinedPayload(
        quarantine_id=message.quarantine_id,
        format=message.format,
        sender=message.sender,
        received_at=alert_codec.instant(message.received_at),
        errors=tuple(_refusal(each) for each in message.errors),
        error_count=message.error_count,
        body_size=message.body_size,
        times_received=message.times_received,
    )


def replay_result(message: ingest_pb2.ReplayResult) -> ReplayResult:
    """Return the result of a replay in *message*."""
    return ReplayResult(
        quarantine_id=message.quarantine_id,
        result=payload_result(message.result) if message.HasField("result") else None,
    )


def mode_in_force(message: classifier_pb2.GetModeResponse | classifier_pb2.SetModeResponse) -> ModeInForce:
    """Return the mode in *message*."""
    return ModeInForce(
        mode=known(MODES, message.mode, "mode"), source=known(_SOURCES, message.source, "source of the mode")
    )


def history_status(message: history_pb2.GetStatusResponse) -> HistoryStatus:
    """Return the figures in *message*."""
    return HistoryStatus(
        occurrences=message.occurrences,
        alerts=message.alerts,
        firing_alerts=message.firing_alerts,
        events=message.events,
        pending_work=message.pending_work,
        oldest_pending_age=_age(message, message.oldest_pending_age),
        quarantined_payloads=message.quarantined_payloads,
        database_size_bytes=message.database_size_bytes,
        database_type=message.database_type,
        started_at=alert_codec.instant(message.started_at),
        retention_days=message.retention_days or None,
    )


def retention_plan(message: history_pb2.PlanRetentionResponse) -> RetentionPlan:
    """Return the plan in *message*."""
    return RetentionPlan(
        configured_days=message.configured_days or None,
        days=message.days or None,
        cutoff=_optional(message.HasField("cutoff"), message.cutoff),
        tables=tuple(
            RetentionTable(
                table=each.table,
                rows=each.rows,
                bytes=each.bytes,
                total_rows=each.total_rows,
                total_bytes=each.total_bytes,
            )
            for each in message.tables
        ),
    )


def ingest_status(message: ingest_pb2.GetStatusResponse) -> IngestStatus:
    """Return the figures in *message*."""
    return IngestStatus(
        in_flight=message.in_flight,
        capacity=message.capacity,
        completed=message.completed,
        spool=_spool(message.spool),
        started_at=alert_codec.instant(message.started_at),
    )


def _spool(message: ingest_pb2.Spool) -> Spool:
    return Spool(
        payloads=message.payloads,
        size_bytes=message.size_bytes,
        oldest_age=message.oldest_age.ToTimedelta() if message.HasField("oldest_age") else None,
        damaged=message.damaged,
        problem=message.problem,
    )


def publisher_status(message: publisher_pb2.GetStatusResponse) -> PublisherStatus:
    """Return the figures in *message*."""
    return PublisherStatus(
        targets=message.targets,
        enabled_targets=message.enabled_targets,
        pending=message.pending,
        delivered=message.delivered,
        dead=message.dead,
        oldest_pending_age=_age(message, message.oldest_pending_age),
        started_at=alert_codec.instant(message.started_at),
        is_kubernetes_available=message.is_kubernetes_available,
        target_problems=message.target_problems,
    )


def _refusal(message: quarantine_pb2.QuarantineError) -> Refusal:
    return Refusal(index=message.index, message=message.message)


def _optional(is_set: bool, stamp: Timestamp) -> Instant | None:
    return alert_codec.instant(stamp) if is_set else None


def _age(message: history_pb2.GetStatusResponse | publisher_pb2.GetStatusResponse, age: Duration) -> timedelta | None:
    return age.ToTimedelta() if message.HasField("oldest_pending_age") else None


def known(values: Mapping[_E, int], value: int, what: str) -> _E:
    """Return the key of *value*; raise FailedPreconditionError when only a later version has this *what*."""
    for key, number in values.items():
        if number == value:
            return key
    raise too_new(f"unknown {what} {value}")


def too_new(what: str) -> FailedPreconditionError:
    """Return the error that the server sent something of a later version."""
    return FailedPreconditionError(f"the server is newer than this client ({what}): update the client")
