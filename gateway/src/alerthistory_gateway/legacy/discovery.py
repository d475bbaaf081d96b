"""What the legacy interface tells about how targets are found."""

from typing import Any


def discovery_stats(*, targets: int, is_metrics_only: bool) -> dict[str, Any]:
    """Return the object that several endpoints show."""
    return {
        "enabled": True,
        "kubernetes_available": False,
        "targets_count": targets,
        "last_refresh_time": None,
        "refresh_interval": "300s",
        "watched_namespaces": ["default", "monitoring", "alert-history"],
        "label_selectors": ["alert-history.io/target=true"],
        "metrics_only_mode": is_metrics_only,
    }


def mode_text(*, is_metrics_only: bool) -> str:
    """Return the publishing mode's name."""
    return "metrics_only" if is_metrics_only else "intelligent"
