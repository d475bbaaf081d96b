"""What the legacy dashboard counts: what was received lately, by hour and by value."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alerthistory_common.alerts import Instant

HOUR = 3_600_000_000
_TOP = 10
_SEVERITIES = ("critical", "warning", "info")

Share = tuple[str, int]
"""A value, and how many occurrences have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedOccurrence:
    """What is counted of one occurrence."""

    alert_name: str
    namespace: str
    severity_label: str
    is_firing: bool
    received_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What was received within the hour that begins at ``begins_at``."""

    begins_at: int
    firing: int
    resolved: int
    critical: int
    warning: int
    info: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopAlert:
    """How often one name was received in one namespace; the rest is that of the last time."""

    count: int
    last: ReceivedOccurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What was received within some hours; shares and top alerts are most frequent first."""

    timeline: Sequence[Hour]
    top_alerts: Sequence[TopAlert]
    severities: Sequence[Share]
    statuses: Sequence[Share]
    namespaces: Sequence[Share]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How the occurrences with the latest starts were last reported."""

    firing: int
    resolved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """All that the dashboard counts. ``received`` is not bounded, unlike the rest."""

    totals: Totals
    received: int
    recent: Recent


def begin(now: Instant, hours: int) -> int:
    """Return the microsecond at which the last *hours* before *now* begin."""
    return now.micros - hours * HOUR


def recent(received: Sequence[ReceivedOccurrence], now: Instant, hours: int) -> Recent:
    """Return the counts of what was *received*, the latest first, within the last *hours* before *now*."""
    return Recent(
        timeline=_timeline(received, begin(now, hours), hours),
        top_alerts=_top(received),
        severities=Counter(each.severity_label for each in received).most_common(),
        statuses=Counter("firing" if each.is_firing else "resolved" for each in received).most_common(),
        namespaces=Counter(each.namespace for each in received).most_common(),
    )


def _timeline(received: Iterable[ReceivedOccurrence], since: int, hours: int) -> list[Hour]:
    counts: list[Counter[str]] = [Counter() for _ in range(hours)]
    for each in received:
        # What arrived while we looked belongs to the last hour.
        hour = min((each.received_at - since) // HOUR, hours - 1)
        counts[hour].update(("firing" if each.is_firing else "resolved", f"severity {each.severity_label}"))
    return [
        Hour(
            begins_at=since + number * HOUR,
            firing=count["firing"],
            resolved=count["resolved"],
            **{name: count[f"severity {name}"] for name in _SEVERITIES},
        )
        for number, count in enumerate(counts)
    ]


def _top(received: Iterable[ReceivedOccurrence]) -> list[TopAlert]:
    last: dict[tuple[str, str], ReceivedOccurrence] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for each in received:
        key = (each.alert_name, each.namespace)
        last.setdefault(key, each)
        counts[key] += 1
    return [TopAlert(count=count, last=last[key]) for key, count in counts.most_common(_TOP)]
