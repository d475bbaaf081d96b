"""What the legacy interface says about targets and publishing."""

from collections.abc import Mapping, Sequence
from typing import Any

from alerthistory.publisher.v1.publisher_service_pb2 import PUBLISHING_MODE_METRICS_ONLY, GetStatusResponse, TargetStats
from alerthistory.publisher.v1.target_pb2 import Target
from alerthistory_common import alert_codec
from alerthistory_gateway.legacy.rendering import iso_naive

_HEALTHY_RATE = 0.8
_DEGRADED_RATE = 0.5
_MICROS = 1_000_000


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


def target_document(target: Target, stats: TargetStats) -> dict[str, Any]:
    """Return a target as ``/publishing`` shows it."""
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
    """Return a target as ``/proxy`` shows it. There is no circuit breaker any more: once used, it is ``closed``."""
    was_told = bool(published(stats))
    return {
        "name": target.name,
        "type": "webhook",
        "url": target.url,
        "format": target.format,
        "enabled": target.is_enabled,
        "health_status": health(stats) if was_told else "unhealthy",
        "success_rate": success_rate(stats.delivered, published(stats)),
        "last_success_time": _last_success(stats),
        "circuit_breaker_state": "closed" if was_told else "unknown",
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


def discovery_document(status: GetStatusResponse) -> dict[str, Any]:
    """Return what is said about the discovery of targets.

    It is what the older service said without Kubernetes: there, the time of the last refresh stayed empty for good.
    """
    return {
        "enabled": True,
        "kubernetes_available": False,
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
        "kubernetes_available": False,
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
