"""Translations between the reports' messages and records."""

from collections.abc import Iterable
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from alerthistory.history.v1 import report_service_pb2 as pb
from alerthistory_client.report_records import (
    Activity,
    ActivityBucket,
    ActivityReport,
    ActivityShare,
    Durations,
    FlappingAlert,
    Noise,
    ReportDimension,
    ReportedAlert,
    ReportQuery,
    ReportWindow,
    Spans,
    TopAlert,
    TopGrouping,
    TopOrder,
)
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Fingerprint, Instant

DIMENSIONS = {each: pb.ReportDimension.Value(f"REPORT_DIMENSION_{each.name}") for each in ReportDimension}
GROUPINGS = {each: pb.TopGrouping.Value(f"TOP_GROUPING_{each.name}") for each in TopGrouping}
ORDERS = {each: pb.TopOrder.Value(f"TOP_ORDER_{each.name}") for each in TopOrder}
BUCKETS = {each: pb.ActivityBucket.Value(f"ACTIVITY_BUCKET_{each.name}") for each in ActivityBucket}


def window_message(query: ReportQuery, now: Instant) -> pb.ReportWindow:
    """Return the time that is asked for; the end is always named, so that all pages are about the same time."""
    return pb.ReportWindow(
        begins_at=None if query.since is None else alert_codec.timestamp(query.since),
        ends_at=alert_codec.timestamp(now if query.until is None else query.until),
    )


def filter_message(query: ReportQuery) -> pb.ReportFilter:
    """Return which alerts are asked for."""
    return pb.ReportFilter(alert_name=query.alert_name, namespace=query.namespace, severity_label=query.severity_label)


def window(message: pb.ReportWindow) -> ReportWindow:
    """Return the time in *message*."""
    return ReportWindow(begins_at=alert_codec.instant(message.begins_at), ends_at=alert_codec.instant(message.ends_at))


def top_alert(message: pb.TopAlert) -> TopAlert:
    """Return the row in *message*."""
    return TopAlert(
        alert_name=message.alert_name,
        alert=_alert(message.alert) if message.HasField("alert") else None,
        fired_count=message.fired_count,
        resolved_count=message.resolved_count,
        expired_count=message.expired_count,
        firing_time=message.firing_time.ToTimedelta(),
        alert_count=message.alert_count,
    )


def flapping_alert(message: pb.FlappingAlert) -> FlappingAlert:
    """Return the row in *message*."""
    return FlappingAlert(
        alert=_alert(message.alert),
        change_count=message.change_count,
        changes_per_hour=message.changes_per_hour,
        longest_quiet=message.longest_quiet.ToTimedelta(),
    )


def durations(message: pb.Durations) -> Durations:
    """Return the row in *message*."""
    return Durations(value=message.value, episodes=_spans(message.episodes), gaps=_spans(message.gaps))


def noise(message: pb.Noise) -> Noise:
    """Return the row in *message*."""
    return Noise(
        value=message.value,
        resolved_count=message.resolved_count,
        noise_count=message.noise_count,
        noise_share=message.noise_share,
    )


def activity(message: pb.GetActivityResponse) -> ActivityReport:
    """Return the report in *message*."""
    return ActivityReport(
        window=window(message.window),
        total=top_alert(message.total),
        series=tuple(
            Activity(
                begins_at=alert_codec.instant(each.begins_at),
                fired_count=each.fired_count,
                resolved_count=each.resolved_count,
                expired_count=each.expired_count,
            )
            for each in message.series
        ),
        heat_map=tuple(tuple(day.fired_counts) for day in message.heat_map),
        names=_shares(message.names),
        namespaces=_shares(message.namespaces),
        severities=_shares(message.severities),
    )


def _alert(message: pb.ReportedAlert) -> ReportedAlert:
    return ReportedAlert(
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        namespace=message.namespace,
        severity_label=message.severity_label,
        labels_json=message.labels_json,
        is_firing=message.is_firing,
    )


def _spans(message: pb.Spans) -> Spans:
    return Spans(
        count=message.count,
        mean=_optional(message.HasField("mean"), message.mean),
        p50=_optional(message.HasField("p50"), message.p50),
        p95=_optional(message.HasField("p95"), message.p95),
    )


def _shares(messages: Iterable[pb.ActivityShare]) -> tuple[ActivityShare, ...]:
    return tuple(ActivityShare(value=each.value, fired_count=each.fired_count) for each in messages)


def _optional(is_set: bool, span: Duration) -> timedelta | None:
    return span.ToTimedelta() if is_set else None
