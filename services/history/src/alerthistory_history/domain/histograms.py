"""Histograms of spans of time: exact counts in buckets so narrow that a quantile is at most 5 % off.

Spans are whole milliseconds. A histogram is a mapping from bucket to count, without zeros.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import accumulate
from math import ceil, isqrt

LONGEST_MS = 1000 * 24 * 3600 * 1000
"""Longer spans count as this one: a clock or a start that is wrong by years must not drown all others."""

THRESHOLDS_MS = (30_000, *(minutes * 60_000 for minutes in range(1, 61)))
"""Spans below which a histogram counts exactly: 30 seconds, and every minute up to an hour."""

Histogram = Mapping[int, int]


def _geometric() -> Iterable[int]:
    edge = 1
    while edge <= LONGEST_MS:
        yield edge
        # The longest span of a bucket is at most 1.1 times its shortest one; the root of 1.1 is less than 1.05.
        edge = edge * 11 // 10 + 1


_EDGES = tuple(sorted({*_geometric(), *THRESHOLDS_MS, LONGEST_MS + 1}))
"""Bucket *n* holds the spans from edge *n - 1* up to, but without, edge *n*."""


def bounded(span_ms: int) -> int:
    """Return *span_ms* as it is counted: not negative, not longer than LONGEST_MS."""
    return min(max(0, span_ms), LONGEST_MS)


def bucket_of(span_ms: int) -> int:
    """Return the bucket of a bounded span."""
    return bisect_right(_EDGES, span_ms)


def quantile(histogram: Histogram, share: float) -> int | None:
    """Return the span that *share* of all spans do not exceed, at most 5 % off; None without spans.

    It stands for the smallest span that is at least as long as ceil(share x count) of them (the nearest rank).
    """
    buckets = sorted(histogram)
    rank = max(1, ceil(share * sum(histogram.values())))
    for bucket, seen in zip(buckets, accumulate(histogram[each] for each in buckets), strict=True):
        if seen >= rank:
            return _middle(bucket)
    return None


def count_below(histogram: Histogram, threshold_ms: int) -> int:
    """Return how many spans are shorter than *threshold_ms*; raise ValueError when it is none of THRESHOLDS_MS."""
    if threshold_ms not in THRESHOLDS_MS:
        raise ValueError("only the spans in THRESHOLDS_MS are counted exactly")
    last = bucket_of(threshold_ms - 1)
    return sum(count for bucket, count in histogram.items() if bucket <= last)


def _middle(bucket: int) -> int:
    if bucket == 0:
        return 0
    return isqrt(_EDGES[bucket - 1] * (_EDGES[bucket] - 1))
