"""Rows of counts as the domain's values, and back. They are read as the driver gives them."""

import struct
from collections.abc import Mapping
from typing import Any

from alerthistory_common.columns import unescape
from alerthistory_history.domain.counts import AlertDay, Counts
from alerthistory_history.domain.rollups import CountedAlert
from alerthistory_history.domain.slices import Dimension, Group, Slice

from .rows import Values


def counts_values(slice_key: int, period: int, counts: Counts) -> Values:
    """Return the columns of *counts*."""
    return {
        "slice_key": slice_key,
        "period": period,
        "opened": counts.opened,
        "resolved": counts.resolved,
        "expired": counts.expired,
        "firing_ms": counts.firing_ms,
        "duration_ms": counts.duration_ms,
        "gap_ms": counts.gap_ms,
        "bins": _packed(counts.bins),
    }


def counts(row: Any) -> Counts:
    """Return the counts in a row."""
    return Counts(
        opened=row.opened,
        resolved=row.resolved,
        expired=row.expired,
        firing_ms=row.firing_ms,
        duration_ms=row.duration_ms,
        gap_ms=row.gap_ms,
        bins=_unpacked(row.bins),
    )


def alert_day_values(period: int, alert_key: int, day: AlertDay) -> Values:
    """Return the columns of *day*."""
    return {
        "period": period,
        "alert_key": alert_key,
        "opened": day.opened,
        "resolved": day.resolved,
        "expired": day.expired,
        "firing_ms": day.firing_ms,
        "first_us": day.first_us,
        "last_us": day.last_us,
        "quiet_us": day.quiet_us,
    }


def alert_day(row: Any) -> AlertDay:
    """Return the day in a row."""
    return AlertDay(
        opened=row.opened,
        resolved=row.resolved,
        expired=row.expired,
        firing_ms=row.firing_ms,
        first_us=row.first_us,
        last_us=row.last_us,
        quiet_us=row.quiet_us,
    )


def alert_values(alert: CountedAlert) -> Values:
    """Return the columns of *alert*."""
    return {
        "alert_key": alert.key,
        "fp_hash": alert.fp_hash,
        "fingerprint": alert.fingerprint,
        "name_hash": alert.group.name,
        "namespace_hash": alert.group.namespace,
        "severity_hash": alert.group.severity,
        "opened_us": alert.opened_us,
        "changed_day": alert.changed_day,
    }


def alert(row: Any) -> CountedAlert:
    """Return the alert in a row that was read past SQLAlchemy."""
    return CountedAlert(
        key=row.alert_key,
        fp_hash=bytes(row.fp_hash),
        fingerprint=unescape(row.fingerprint),
        group=Group(row.name_hash, row.namespace_hash, row.severity_hash),
        opened_us=row.opened_us,
        changed_day=row.changed_day,
    )


def slice_values(each: Slice, content: str | None, last_day: int) -> Values:
    """Return the columns of a slice."""
    return {
        "slice_key": each.key,
        "dimensions": int(each.dimensions),
        "name_hash": each.group.name,
        "namespace_hash": each.group.namespace,
        "severity_hash": each.group.severity,
        "content": content,
        "last_day": last_day,
    }


def contents(alert: CountedAlert) -> Mapping[int, str]:
    """Return the texts of a new alert by the keys of the slices that are all about them."""
    if alert.texts is None:
        return {}
    single = (Dimension.NAME, Dimension.NAMESPACE, Dimension.SEVERITY)
    slices = (Slice(each, alert.group.only(each)) for each in single)
    return {each.key: text for each, text in zip(slices, alert.texts, strict=True)}


def _packed(histogram: Mapping[int, int]) -> bytes:
    if not histogram:
        return b""
    return struct.pack(f"<{2 * len(histogram)}I", *histogram, *histogram.values())


def _unpacked(content: bytes) -> dict[int, int]:
    if not content:
        return {}
    numbers = struct.unpack(f"<{len(content) // 4}I", content)
    half = len(numbers) // 2
    return dict(zip(numbers[:half], numbers[half:], strict=True))
