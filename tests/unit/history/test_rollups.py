"""Counting: histograms as exact as they say, and blocks that add up to the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common.alerts import EventKind, Instant
from alerthistory_common.errors import InvalidArgumentError
from alerthistory_history.domain import histograms
from alerthistory_history.domain.counts import DAY, HOUR, AlertDay, Counts
from alerthistory_history.domain.histograms import LONGEST_MS, THRESHOLDS_MS, bucket_of
from alerthistory_history.domain.records import Position
from alerthistory_history.domain.rollups import CountedAlert, CountedEvent, Folded, Uncounted, alert_key, fold_events
from alerthistory_history.domain.slices import CUTS, Dimension, cut_for, group_of
from alerthistory_history.domain.windows import window

NOW = Instant(1_800_000_123_456_789)
HOUR_US = 3_600_000_000

_spans = st.lists(st.one_of(st.integers(0, 100), st.integers(0, 10_000_000), st.integers(0, LONGEST_MS)), min_size=1)


def _histogram(spans: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for span in spans:
        counts[bucket_of(span)] = counts.get(bucket_of(span), 0) + 1
    return counts


@given(spans=_spans, share=st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_a_quantile_is_at_most_five_percent_off(spans: list[int], share: float) -> None:
    exact = sorted(spans)[max(1, -int(-share * len(spans) // 1)) - 1]

    estimate = histograms.quantile(_histogram(spans), share)

    assert estimate is not None
    assert abs(estimate - exact) <= 0.05 * exact + 1


def test_nothing_has_no_quantile() -> None:
    assert histograms.quantile({}, 0.5) is None


@given(spans=_spans, threshold=st.sampled_from(THRESHOLDS_MS))
def test_spans_below_a_threshold_are_counted_exactly(spans: list[int], threshold: int) -> None:
    spans += [threshold, threshold - 1]

    assert histograms.count_below(_histogram(spans), threshold) == sum(span < threshold for span in spans)


def test_other_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match="THRESHOLDS_MS"):
        histograms.count_below({}, 61_000)


@pytest.mark.parametrize(("span", "counted"), [(-5, 0), (7, 7), (LONGEST_MS + 1, LONGEST_MS)])
def test_spans_are_bounded(span: int, counted: int) -> None:
    assert histograms.bounded(span) == counted
    bucket_of(histograms.bounded(span))


_kinds = st.sampled_from(list(EventKind))
_logs = st.lists(st.tuples(st.sampled_from("abc"), _kinds, st.integers(0, 3 * 24 * HOUR_US)), max_size=30)


@given(log=_logs, cut=st.integers(0, 30))
def test_blocks_add_up_to_the_whole(log: list[tuple[str, EventKind, int]], cut: int) -> None:
    events, at = [], 1_800_000_000_000_000
    for number, (alert, kind, passing) in enumerate(log):
        at += passing
        key = alert.encode() * 8
        events.append(
            CountedEvent(Position(0, number), key, kind, at, at - 7_000_000, at if not kind.is_firing else None)
        )
    known = {alert.encode() * 8: _alert(alert) for alert in "abc"}

    whole = fold_events(Uncounted(events=events, alerts=known, is_last=True))
    first = fold_events(Uncounted(events=events[:cut], alerts=known, is_last=False))
    second = fold_events(Uncounted(events=events[cut:], alerts={**known, **first.alerts}, is_last=True))

    assert _added(first, second) == (whole.cells, whole.alert_days, whole.alerts)
    assert (second.position or first.position, first.events + second.events) == (whole.position, whole.events)


def _alert(name: str) -> CountedAlert:
    key = name.encode() * 8
    group = group_of(f"Name-{name}", "shop", "")
    return CountedAlert(key=alert_key(key), fp_hash=key, fingerprint=name, group=group)


def _added(first: Folded, second: Folded) -> tuple[object, object, object]:
    cells = {
        cell: Counts.total(each.cells[cell] for each in (first, second) if cell in each.cells)
        for cell in {**first.cells, **second.cells}
    }
    days: dict[tuple[int, int], AlertDay] = {}
    for part in (first, second):
        for key, day in part.alert_days.items():
            days.setdefault(key, AlertDay()).add(day)
    return cells, days, {**first.alerts, **second.alerts}


def test_a_question_is_answered_by_the_coarsest_cut_that_tells_enough() -> None:
    assert [cut_for(cut) for cut in CUTS] == list(CUTS)
    assert cut_for(Dimension.NAME | Dimension.SEVERITY) is Dimension.ALL


def test_a_window_covers_whole_periods_and_ends_now() -> None:
    day = window(Instant(NOW.micros - 49 * HOUR_US), None, NOW)
    hour = window(Instant(NOW.micros - 48 * HOUR_US), None, NOW)

    assert (day.grain, day.begins_us % (24 * HOUR_US), day.ends_us) == (DAY, 0, NOW.micros)
    assert (hour.grain, hour.begins_us, hour.ends_us) == (HOUR, (NOW.micros // HOUR_US - 48) * HOUR_US, NOW.micros)


def test_a_window_of_the_past_ends_with_a_whole_period() -> None:
    past = window(Instant(NOW.micros - 9 * HOUR_US), Instant(NOW.micros - 5 * HOUR_US), NOW)

    assert (past.begins_us % HOUR_US, past.ends_us % HOUR_US) == (0, 0)
    assert past.length.total_seconds() == 5 * 3600
    assert past.by(HOUR) == past


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (1, None), (-1, -2), (-367 * 24, None), (-800 * 24, -400 * 24)])
def test_windows_that_make_no_sense_are_refused(begin: int, end: int | None) -> None:
    ends = None if end is None else Instant(NOW.micros + end * HOUR_US)
    with pytest.raises(InvalidArgumentError, match="begins_at"):
        window(Instant(NOW.micros + begin * HOUR_US), ends, NOW)
