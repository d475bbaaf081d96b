"""What the reports answer, as plain immutable values. ``docs/reports.md`` has the definitions."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from alerthistory_common.alerts import Fingerprint, Instant

T = TypeVar("T")


class ReportDimension(StrEnum):
    """By what a report tells alerts apart."""

    NAME = "name"
    NAMESPACE = "namespace"
    SEVERITY = "severity"


class TopGrouping(StrEnum):
    """What a row of the top alerts stands for."""

    NAME = "name"
    ALERT = "alert"


class TopOrder(StrEnum):
    """By what the top alerts are ordered, the largest first."""

    FIRED = "fired"
    FIRING_TIME = "firing_time"


class ActivityBucket(StrEnum):
    """The length of the stretches of a series."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuery:
    """The time and the alerts that a report is about; None does not restrict, an empty text means no such label.

    Without *since* it is the week before *until*; without *until*, until now.
    """

    since: Instant | None = None
    until: Instant | None = None
    alert_name: str | None = None
    namespace: str | None = None
    severity_label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWindow:
    """The time that a report is about: that asked for, rounded to whole hours or days."""

    begins_at: Instant
    ends_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Generic[T]):
    """A list, and the time that it is about."""

    window: ReportWindow
    rows: tuple[T, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWithTotal(Report[T], Generic[T]):
    """A list with the same figures for all alerts together."""

    total: T


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedAlert:
    """One alert as reports show it. ``labels_json`` is empty when the alert itself is no longer kept."""

    fingerprint: Fingerprint
    alert_name: str
    namespace: str
    severity_label: str
    labels_json: bytes
    is_firing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TopAlert:
    """How often and how long one alert, or all of one name, fired."""

    alert_name: str
    alert: ReportedAlert | None
    fired_count: int
    resolved_count: int
    expired_count: int
    firing_time: timedelta
    alert_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlappingAlert:
    """How often one alert changed between firing and not firing."""

    alert: ReportedAlert
    change_count: int
    changes_per_hour: float
    longest_quiet: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How long some spans of time were; the quantiles are at most 5 % off."""

    count: int
    mean: timedelta | None
    p50: timedelta | None
    p95: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long the resolved episodes of alerts with one value lasted, and what lay between their firings."""

    value: str
    episodes: Spans
    gaps: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How many resolved episodes of alerts with one value there were, and how many of these were noise."""

    value: str
    resolved_count: int
    noise_count: int
    noise_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened within one hour or day."""

    begins_at: Instant
    fired_count: int
    resolved_count: int
    expired_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityShare:
    """How often alerts that share one value fired."""

    value: str
    fired_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityReport:
    """When alerts fired. ``heat_map`` has seven days from Monday on, of 24 hours each."""

    window: ReportWindow
    total: TopAlert
    series: tuple[Activity, ...]
    heat_map: tuple[tuple[int, ...], ...]
    names: tuple[ActivityShare, ...]
    namespaces: tuple[ActivityShare, ...]
    severities: tuple[ActivityShare, ...]
