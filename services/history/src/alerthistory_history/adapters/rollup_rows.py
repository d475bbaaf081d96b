"""Rows of counts as the domain's values, and back."""

import struct
from collections.abc import Mapping
from typing import Any

from alerthistory_common.columns import escape, unescape
from alerthistory_history.domain.counts import DAY, AlertDay, Counts
from alerthistory_history.domain.rollups import CountedAlert
from alerthistory_history.domain.slices import Dimension, Group, Slice

from .many_rows import Key


def counts_values(slice_key: int, period: int, counts: Counts) -> Key:
    """Return the row of *counts* in the order of its columns."""
    return (
        slice_key,
        period,
        counts.opened,
        counts.resolved,
        counts.expired,
        counts.firing_ms,
        counts.duration_ms,
        counts.gap_ms,
        _packed(counts.bins),
    )


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


def alert_day_values(period: int, alert_key: int, day: AlertDay) -> Key:
    """Return the row of *day* in the order of its columns."""
    return (
        period,
        alert_key,
        day.opened,
        day.resolved,
        day.expired,
        day.firing_ms,
        day.first_us,
        day.last_us,
        day.quiet_us,
    )


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


def alert_values(alert: CountedAlert) -> Key:
    """Return the row of *alert* in the order of its columns."""
    return (
        alert.key,
        alert.fp_hash,
        escape(alert.fingerprint),
        *alert.group,
        alert.opened_us,
        alert.changed_us,
        DAY.period(alert.changed_us),
    )


def alert(row: Any) -> CountedAlert:
    """Return the alert in a row that was read past SQLAlchemy."""
    return CountedAlert(
        key=row.alert_key,
        fp_hash=bytes(row.fp_hash),
        fingerprint=unescape(row.fingerprint),
        group=Group(row.name_hash, row.namespace_hash, row.severity_hash),
        opened_us=row.opened_us,
        changed_us=row.changed_us,
    )


def slice_values(each: Slice, content: str | None, last_day: int) -> Key:
    """Return the row of a slice in the order of its columns."""
    return (each.key, int(each.dimensions), *each.group, None if content is None else escape(content), last_day)


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
