"""What the legacy interface says about targets and publishing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alerthistory.publisher.v1.publisher_service_pb2 import (
    BREAKER_STATE_CLOSED,
    BREAKER_STATE_HALF_OPEN,
    BREAKER_STATE_OPEN,
    PUBLISHING_MODE_METRICS_ONLY,
    GetStatsResponse,
    GetStatusResponse,
    TargetStats,
)
from alerthistory.publisher.v1.target_pb2 import Target
from alerthistory_common import alert_codec
from alerthistory_gateway.legacy.rendering import iso_naive

_HEALTHY_RATE = 0.8
_DEGRADED_RATE = 0.5
_MICROS = 1_000_000
_HEALTHS = ("healthy", "degraded", "unhealthy")
_BREAKERS = {
    BREAKER_STATE_CLOSED: "closed",
    BREAKER_STATE_OPEN: "open",
    BREAKER_STATE_HALF_OPEN: "half_open",
}
# The publisher's window, unless a target has its own.
_DEDUPLICATION_WINDOW_S = 300.0


def published(stats: TargetStats) -> int:
    """Return how many deliveries to a target ended, well or not."""
    return stats.delivered + stats.dead


def success_rate(delivered: int, total: int) -> float:
    """Return which part of *total* was delivered; 0.0 of nothing."""
    return delivered / total if total else 0.0


def health(stats: TargetStats) -> str:
    """Return how a target is: ``healthy``, ``degraded`` or ``unhealthy``. One that was never told is healthy."""
    if not published(stats):
        return "healthy"
    rate = success_rate(stats.delivered, published(stats))
    if rate >= _HEALTHY_RATE:
        return "healthy"
    return "degraded" if rate >= _DEGRADED_RATE else "unhealthy"


def worst(healths: Iterable[str]) -> str:
    """Return the worst of *healths*; what is none of them, such as ``disabled``, is nothing bad."""
    return max((each for each in healths if each in _HEALTHS), key=_HEALTHS.index, default="healthy")


def decided(stats: Sequence[TargetStats]) -> int:
    """Return how many deliveries are over: delivered, given up, filtered or superseded."""
    return sum(published(each) + each.filtered + each.superseded for each in stats)


def target_document(target: Target, stats: TargetStats) -> dict[str, Any]:
    """Return a target as ``/publishing`` shows it. The publisher left the secrets out of its URL."""
    return {
        "name": target.name,
        "format": target.format,
        "url": target.url,
        "enabled": target.is_enabled,
        "priority": None,
        "last_successful_publish": _last_success(stats),
        "total_publishes": published(stats),
        "successful_publishes": stats.delivered,
        "failed_publishes": stats.dead,
        "health_status": health(stats),
    }


def proxy_target_document(target: Target, stats: TargetStats) -> dict[str, Any]:
    """Return a target as ``/proxy`` shows it; the state of a circuit breaker that was never used is ``unknown``."""
    return {
        "name": target.name,
        "type": "webhook",
        "url": target.url,
        "format": target.format,
        "enabled": target.is_enabled,
        "health_status": health(stats) if published(stats) else "unhealthy",
        "success_rate": success_rate(stats.delivered, published(stats)),
        "last_success_time": _last_success(stats),
        "circuit_breaker_state": _BREAKERS.get(stats.breaker_state, "unknown"),
    }


def totals(stats: Sequence[TargetStats]) -> dict[str, int]:
    """Return how many deliveries ended, and how."""
    return {
        "total_publishes": sum(published(each) for each in stats),
        "successful_publishes": sum(each.delivered for each in stats),
        "failed_publishes": sum(each.dead for each in stats),
    }


def publisher_document(stats: Sequence[TargetStats]) -> dict[str, Any]:
    """Return what ``/proxy/stats`` says about deliveries. Targets that were never told do not appear."""
    told = [each for each in stats if published(each)]
    counts = totals(told)
    return {
        "total_attempts": counts["total_publishes"],
        "successful_publishes": counts["successful_publishes"],
        "failed_publishes": counts["failed_publishes"],
        "targets_count": len(told),
        "healthy_targets": sum(health(each) == "healthy" for each in told),
        "per_target_stats": {each.target: _per_target(each) for each in told},
    }


def deduplication_document(stats: GetStatsResponse) -> dict[str, Any]:
    """Return what ``/proxy/stats`` says about alerts that may be held back because they fired just before."""
    return {
        "window_seconds": _DEDUPLICATION_WINDOW_S,
        "active_fingerprints": stats.recently_fired_alerts,
        "total_tracked": stats.recently_fired_alerts,
    }


def manager_health(status: GetStatusResponse) -> str:
    """Return how the discovery of targets is: without Kubernetes it is ``degraded``, as the older service said."""
    return "healthy" if status.is_kubernetes_available else "degraded"


def discovery_document(status: GetStatusResponse) -> dict[str, Any]:
    """Return what is said about the discovery of targets.

    Interval, namespaces and labels are the older service's, and the time of the last refresh stays empty as it did
    there; ``/publishing/mode`` tells it.
    """
    return {
        "enabled": True,
        "kubernetes_available": status.is_kubernetes_available,
        "targets_count": status.targets,
        "last_refresh_time": None,
        "refresh_interval": "300s",
        "watched_namespaces": ["default", "monitoring", "alert-history"],
        "label_selectors": ["alert-history.io/target=true"],
        "metrics_only_mode": is_metrics_only(status),
    }


def mode_document(status: GetStatusResponse) -> dict[str, Any]:
    """Return the publishing mode as ``/publishing/mode`` shows it."""
    count = status.targets
    description = f"Intelligent mode: {count} publishing targets active"
    if is_metrics_only(status):
        description = "Metrics-only mode: No publishing targets available, collecting metrics only"
    return {
        "mode": mode_word(status),
        "targets_available": count > 0,
        "targets_count": count,
        "last_discovery_refresh": _refreshed_at(status),
        "kubernetes_available": status.is_kubernetes_available,
        "description": description,
    }


def mode_word(status: GetStatusResponse) -> str:
    """Return the publishing mode's legacy name."""
    return "metrics_only" if is_metrics_only(status) else "intelligent"


def is_metrics_only(status: GetStatusResponse) -> bool:
    """Whether alerts are only counted; a mode of a later version is none of that."""
    return status.mode == PUBLISHING_MODE_METRICS_ONLY


def by_target(stats: Sequence[TargetStats]) -> Mapping[str, TargetStats]:
    """Return *stats* by the target's name."""
    return {each.target: each for each in stats}


def _per_target(stats: TargetStats) -> dict[str, Any]:
    return {
        "total_attempts": published(stats),
        "successful_publishes": stats.delivered,
        "failed_publishes": stats.dead,
        "success_rate": success_rate(stats.delivered, published(stats)),
        "is_healthy": health(stats) == "healthy",
        "last_success_time": _last_success(stats),
    }


def _last_success(stats: TargetStats) -> str | None:
    if not stats.HasField("last_delivered_at"):
        return None
    return iso_naive(alert_codec.instant(stats.last_delivered_at).to_datetime())


def _refreshed_at(status: GetStatusResponse) -> str | None:
    if not status.HasField("targets_refreshed_at"):
        return None
    return str(alert_codec.instant(status.targets_refreshed_at).micros / _MICROS)
