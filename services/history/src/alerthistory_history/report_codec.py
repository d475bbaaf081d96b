"""Total translations between the words of reports and their protobuf messages."""

from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from alerthistory.history.v1 import report_service_pb2 as pb
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Instant
from alerthistory_common.errors import FieldViolation, InvalidArgumentError

from .application.reports import Asked
from .domain.counts import DAY, HOUR, Grain
from .domain.histograms import THRESHOLDS_MS
from .domain.reports import (
    Activity,
    ActivityReport,
    AlertIdentity,
    Durations,
    FlappingAlert,
    Noise,
    Order,
    Share,
    Spans,
    TopAlert,
)
from .domain.slices import Dimension, ReportFilter
from .domain.windows import Window

_DEFAULT_THRESHOLD_MS = 300_000
_HOUR_S = 3600
_OFFSETS_H = range(-12, 15)
_DIMENSIONS = {
    pb.REPORT_DIMENSION_NAMESPACE: Dimension.NAMESPACE,
    pb.REPORT_DIMENSION_SEVERITY: Dimension.SEVERITY,
}
_BUCKETS = {pb.ACTIVITY_BUCKET_HOUR: HOUR, pb.ACTIVITY_BUCKET_DAY: DAY}
_Listing = pb.ListTopAlertsRequest | pb.ListFlappingAlertsRequest | pb.ListDurationsRequest | pb.ListNoiseRequest


def asked(request: _Listing | pb.GetActivityRequest) -> Asked:
    """Return what is asked."""
    begin, end = request.window.begins_at, request.window.ends_at
    return Asked(
        wanted=_filter(request.filter),
        begin=alert_codec.instant(begin) if request.window.HasField("begins_at") else None,
        end=alert_codec.instant(end) if request.window.HasField("ends_at") else None,
        page_size=0 if isinstance(request, pb.GetActivityRequest) else request.page_size,
        page_token="" if isinstance(request, pb.GetActivityRequest) else request.page_token,
    )


def top_order(value: pb.TopOrder.ValueType) -> Order:
    """Return the order of an enum value."""
    return Order.FIRING_TIME if value == pb.TOP_ORDER_FIRING_TIME else Order.FIRED


def dimension(value: pb.ReportDimension.ValueType) -> Dimension:
    """Return the dimension of an enum value."""
    return _DIMENSIONS.get(value, Dimension.NAME)


def threshold_ms(request: pb.ListNoiseRequest) -> int:
    """Return below what episodes are noise; raise InvalidArgumentError when that is not counted."""
    if not request.HasField("threshold"):
        return _DEFAULT_THRESHOLD_MS
    found = request.threshold.seconds * 1000 + request.threshold.nanos // 1_000_000
    if found not in THRESHOLDS_MS or request.threshold.nanos:
        raise _invalid("threshold", "must be 30 seconds, or a whole number of minutes up to 60")
    return found


def bucket(request: pb.GetActivityRequest) -> Grain | None:
    """Return the length of a series' stretches; None for that of the window."""
    return _BUCKETS.get(request.bucket)


def offset_hours(request: pb.GetActivityRequest) -> int:
    """Return how many hours local time is ahead of UTC; raise InvalidArgumentError when it is no such number."""
    hours, rest = divmod(request.utc_offset.seconds, _HOUR_S)
    if rest or request.utc_offset.nanos or hours not in _OFFSETS_H:
        raise _invalid("utc_offset", "must be whole hours, -12 to 14: history counts by the hour")
    return hours


def window_message(window: Window) -> pb.ReportWindow:
    """Return *window* as a message."""
    return pb.ReportWindow(
        begins_at=alert_codec.timestamp(Instant(window.begins_us)),
        ends_at=alert_codec.timestamp(Instant(window.ends_us)),
    )


def top_message(top: TopAlert) -> pb.TopAlert:
    """Return a row of the top alerts as a message."""
    return pb.TopAlert(
        alert_name=top.alert_name,
        alert=None if top.alert is None else _alert_message(top.alert),
        fired_count=top.fired,
        resolved_count=top.resolved,
        expired_count=top.expired,
        firing_time=alert_codec.duration(top.firing_time),
        alert_count=top.alerts,
    )


def flapping_message(flapping: FlappingAlert) -> pb.FlappingAlert:
    """Return a flapping alert as a message."""
    return pb.FlappingAlert(
        alert=_alert_message(flapping.alert),
        change_count=flapping.changes,
        changes_per_hour=flapping.changes_per_hour,
        longest_quiet=alert_codec.duration(flapping.longest_quiet),
    )


def durations_message(durations: Durations) -> pb.Durations:
    """Return durations as a message."""
    return pb.Durations(
        value=durations.value, episodes=_spans_message(durations.episodes), gaps=_spans_message(durations.gaps)
    )


def noise_message(noise: Noise) -> pb.Noise:
    """Return noise as a message."""
    return pb.Noise(value=noise.value, resolved_count=noise.episodes, noise_count=noise.short, noise_share=noise.share)


def activity_message(report: ActivityReport) -> pb.GetActivityResponse:
    """Return when alerts fired as a message."""
    return pb.GetActivityResponse(
        window=window_message(report.window),
        total=top_message(report.total),
        series=map(_stretch_message, report.series),
        heat_map=[pb.WeekdayActivity(fired_counts=hours) for hours in report.heat_map],
        names=_share_messages(report.names),
        namespaces=_share_messages(report.namespaces),
        severities=_share_messages(report.severities),
    )


def _filter(message: pb.ReportFilter) -> ReportFilter:
    return ReportFilter(
        alert_name=message.alert_name if message.HasField("alert_name") else None,
        namespace=message.namespace if message.HasField("namespace") else None,
        severity_label=message.severity_label if message.HasField("severity_label") else None,
    )


def _alert_message(alert: AlertIdentity) -> pb.ReportedAlert:
    return pb.ReportedAlert(
        fingerprint=alert.fingerprint,
        alert_name=alert.alert_name,
        namespace=alert.namespace,
        severity_label=alert.severity_label,
        labels_json=alert.labels_json,
        is_firing=alert.is_firing,
    )


def _spans_message(spans: Spans) -> pb.Spans:
    return pb.Spans(count=spans.count, mean=_optional(spans.mean), p50=_optional(spans.p50), p95=_optional(spans.p95))


def _stretch_message(activity: Activity) -> pb.Activity:
    return pb.Activity(
        begins_at=alert_codec.timestamp(Instant(activity.begins_us)),
        fired_count=activity.fired,
        resolved_count=activity.resolved,
        expired_count=activity.expired,
    )


def _share_messages(shares: Sequence[Share]) -> list[pb.ActivityShare]:
    return [pb.ActivityShare(value=each.value, fired_count=each.fired) for each in shares]


def _optional(span: timedelta | None) -> Duration | None:
    return None if span is None else alert_codec.duration(span)


def _invalid(field: str, description: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{field} {description}", FieldViolation(field=field, description=description))
