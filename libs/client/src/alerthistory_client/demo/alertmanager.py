"""Webhook bodies as Alertmanager writes them (version 4), from the states of a group's alerts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

ZERO_TIME = "0001-01-01T00:00:00Z"
_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """One alert at one time; ``ends_at`` is None while it fires."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return what Alertmanager calls the alert with *labels*: FNV-1a, 64 bits, over the sorted pairs, in hex."""
    digest = _OFFSET
    for name in sorted(name for name in labels if labels[name]):
        for byte in (*name.encode(), 0xFF, *labels[name].encode(), 0xFF):
            digest = (digest ^ byte) * _PRIME & _MASK
    return f"{digest:016x}"


def webhook(alerts: Sequence[AlertState], *, group_by: Sequence[str], sender: str) -> dict[str, Any]:
    """Return the body for *alerts*, at least one, that share their *group_by* labels; *sender* is the external URL."""
    group = {name: alerts[0].labels[name] for name in group_by if name in alerts[0].labels}
    pairs = ", ".join(f'{name}="{group[name]}"' for name in sorted(group))
    return {
        "receiver": "alert-history",
        "status": "firing" if any(each.ends_at is None for each in alerts) else "resolved",
        "alerts": [_alert(each) for each in alerts],
        "groupLabels": group,
        "commonLabels": _common([each.labels for each in alerts]),
        "commonAnnotations": _common([each.annotations for each in alerts]),
        "externalURL": sender,
        "version": "4",
        "groupKey": "{}:{" + pairs + "}",
        "truncatedAlerts": 0,
    }


def _alert(state: AlertState) -> dict[str, Any]:
    name = state.labels["alertname"]
    return {
        "status": "firing" if state.ends_at is None else "resolved",
        "labels": dict(sorted(state.labels.items())),
        "annotations": dict(sorted(state.annotations.items())),
        "startsAt": _time(state.starts_at),
        "endsAt": ZERO_TIME if state.ends_at is None else _time(state.ends_at),
        "generatorURL": f"http://prometheus.monitoring:9090/graph?g0.expr=ALERTS%7Balertname%3D%22{name}%22%7D&g0.tab=1",
        "fingerprint": fingerprint(state.labels),
    }


def _common(sets: Iterable[Mapping[str, str]]) -> dict[str, str]:
    first, *others = sets
    return {name: first[name] for name in sorted(first) if all(each.get(name) == first[name] for each in others)}


def _time(moment: datetime) -> str:
    """Return *moment* as Prometheus' clocks show it, in milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
