"""Total translations between the words of the domain and their protobuf messages."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.alert.v1 import alert_pb2
from alerthistory_common.alerts import (
    AlertEvent,
    EventKind,
    Fingerprint,
    HistoryContext,
    Instant,
    Report,
    Severity,
    Verdict,
)

_MICROS = 1_000_000
_SEVERITIES = {
    Severity.CRITICAL: alert_pb2.SEVERITY_CRITICAL,
    Severity.WARNING: alert_pb2.SEVERITY_WARNING,
    Severity.INFO: alert_pb2.SEVERITY_INFO,
    Severity.NOISE: alert_pb2.SEVERITY_NOISE,
}
_SEVERITIES_BACK = {value: key for key, value in _SEVERITIES.items()}
_KINDS = {kind: alert_pb2.EventKind.Value(f"EVENT_KIND_{kind.name}") for kind in EventKind}
_KINDS_BACK = {value: key for key, value in _KINDS.items()}


def timestamp(instant: Instant) -> Timestamp:
    """Return *instant* as a Timestamp."""
    seconds, micros = divmod(instant.micros, _MICROS)
    return Timestamp(seconds=seconds, nanos=micros * 1000 + instant.nanos)


def instant(stamp: Timestamp) -> Instant:
    """Return *stamp* as an Instant."""
    micros, nanos = divmod(stamp.nanos, 1000)
    return Instant(stamp.seconds * _MICROS + micros, nanos)


def duration(delta: timedelta) -> Duration:
    """Return *delta* as a Duration."""
    message = Duration()
    message.FromTimedelta(delta)
    return message


def severity_message(severity: Severity | None) -> alert_pb2.Severity.ValueType:
    """Return the enum value of *severity*; unspecified for None."""
    return alert_pb2.SEVERITY_UNSPECIFIED if severity is None else _SEVERITIES[severity]


def severity(value: alert_pb2.Severity.ValueType) -> Severity | None:
    """Return the severity of an enum value; None for unspecified and for values of a later version."""
    return _SEVERITIES_BACK.get(value)


def kind_message(kind: EventKind) -> alert_pb2.EventKind.ValueType:
    """Return the enum value of *kind*."""
    return _KINDS[kind]


def kind(value: alert_pb2.EventKind.ValueType) -> EventKind:
    """Return the kind of an enum value; raise ValueError for unspecified and for values of a later version."""
    if value not in _KINDS_BACK:
        raise ValueError(f"unknown event kind {value}")
    return _KINDS_BACK[value]


def report_message(report: Report) -> alert_pb2.Report:
    """Return *report* as a message."""
    return alert_pb2.Report(
        fingerprint=report.fingerprint,
        alert_name=report.alert_name,
        is_firing=report.is_firing,
        starts_at=timestamp(report.starts_at),
        ends_at=_optional_timestamp(report.ends_at),
        labels_json=report.labels_json,
        annotations_json=report.annotations_json,
        generator_url=report.generator_url,
        received_at=timestamp(report.received_at),
        sender=report.sender,
        namespace=report.namespace,
        severity_label=report.severity_label,
        lease_expires_at=_optional_timestamp(report.lease_expires_at),
        traceparent=report.traceparent,
    )


def report(message: alert_pb2.Report) -> Report:
    """Return the report in *message*."""
    return Report(
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        is_firing=message.is_firing,
        starts_at=instant(message.starts_at),
        ends_at=instant(message.ends_at) if message.HasField("ends_at") else None,
        labels_json=message.labels_json,
        annotations_json=message.annotations_json,
        generator_url=message.generator_url if message.HasField("generator_url") else None,
        received_at=instant(message.received_at),
        sender=message.sender,
        namespace=message.namespace,
        severity_label=message.severity_label,
        lease_expires_at=instant(message.lease_expires_at) if message.HasField("lease_expires_at") else None,
        traceparent=message.traceparent,
    )


def event_message(event: AlertEvent) -> alert_pb2.AlertEvent:
    """Return *event* as a message."""
    return alert_pb2.AlertEvent(
        event_id=event.event_id,
        cursor=event.cursor,
        kind=kind_message(event.kind),
        fingerprint=event.fingerprint,
        alert_name=event.alert_name,
        starts_at=timestamp(event.starts_at),
        ends_at=_optional_timestamp(event.ends_at),
        labels_json=event.labels_json,
        annotations_json=event.annotations_json,
        generator_url=event.generator_url,
        occurred_at=timestamp(event.occurred_at),
        received_at=timestamp(event.received_at),
        sender=event.sender,
        traceparent=event.traceparent,
    )


def event(message: alert_pb2.AlertEvent) -> AlertEvent:
    """Return the event in *message*; raise ValueError when its kind is unknown."""
    return AlertEvent(
        event_id=message.event_id,
        cursor=message.cursor,
        kind=kind(message.kind),
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        starts_at=instant(message.starts_at),
        ends_at=instant(message.ends_at) if message.HasField("ends_at") else None,
        labels_json=message.labels_json,
        annotations_json=message.annotations_json,
        generator_url=message.generator_url if message.HasField("generator_url") else None,
        occurred_at=instant(message.occurred_at),
        received_at=instant(message.received_at),
        sender=message.sender,
        traceparent=message.traceparent,
    )


def history_message(context: HistoryContext) -> alert_pb2.HistoryContext:
    """Return *context* as a message."""
    return alert_pb2.HistoryContext(
        times_fired=context.times_fired,
        median_duration=None if context.median_duration is None else duration(context.median_duration),
        last_resolved_at=_optional_timestamp(context.last_resolved_at),
        flaps_per_hour=context.flaps_per_hour,
    )


def history(message: alert_pb2.HistoryContext) -> HistoryContext:
    """Return the context in *message*."""
    return HistoryContext(
        times_fired=message.times_fired,
        median_duration=message.median_duration.ToTimedelta() if message.HasField("median_duration") else None,
        last_resolved_at=instant(message.last_resolved_at) if message.HasField("last_resolved_at") else None,
        flaps_per_hour=message.flaps_per_hour,
    )


def verdict_message(verdict: Verdict) -> alert_pb2.Verdict:
    """Return *verdict* as a message."""
    return alert_pb2.Verdict(
        severity=severity_message(verdict.severity),
        confidence=verdict.confidence,
        reasoning=verdict.reasoning,
        recommendations=verdict.recommendations,
        source=verdict.source,
        rules=verdict.rules,
        processing_time=duration(verdict.processing_time),
    )


def verdict(message: alert_pb2.Verdict) -> Verdict:
    """Return the verdict in *message*; raise ValueError when its severity is unknown."""
    found = severity(message.severity)
    if found is None:
        raise ValueError(f"unknown severity {message.severity}")
    return Verdict(
        severity=found,
        confidence=message.confidence,
        reasoning=message.reasoning,
        recommendations=tuple(message.recommendations),
        source=message.source,
        rules=tuple(message.rules),
        processing_time=message.processing_time.ToTimedelta(),
    )


def _optional_timestamp(moment: Instant | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)
