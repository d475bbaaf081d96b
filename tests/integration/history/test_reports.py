"""Reports are what their definitions say, whatever part of the log is counted already."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from alerthistory_common.alerts import EventKind, Instant
from alerthistory_history.application.reports import Asked, Listed
from alerthistory_history.domain.counts import DAY, HOUR
from alerthistory_history.domain.reports import Order, Spans
from alerthistory_history.domain.slices import Dimension, ReportFilter
from tests import builders
from tests.integration.history.harness import SECOND
from tests.integration.history.reporting import Bench, bench
from tests.integration.history.reports_model import DAY_US, HOUR_US, Event, Model, nearest_rank

ALERTS = [
    ("a", "Disk", "shop", "critical"),
    ("b", "Disk", "shop", "warning"),
    ("c", "Disk", "", "critical"),
    ("d", "Cpu", "shop", ""),
    ("e", "Cp\0u", "bank\x10", "warning"),
]
FILTERS = [
    ReportFilter(),
    ReportFilter(namespace="shop"),
    ReportFilter(severity_label="critical"),
    ReportFilter(alert_name="Disk"),
    ReportFilter(alert_name="Disk", namespace="shop"),
    ReportFilter(namespace="", severity_label="critical"),
    ReportFilter(alert_name="Cp\0u", namespace="bank\x10", severity_label="warning"),
    ReportFilter(alert_name="Unknown"),
]
OF: dict[Dimension, Callable[[Event], str]] = {
    Dimension.NAME: lambda event: event.name,
    Dimension.NAMESPACE: lambda event: event.namespace,
    Dimension.SEVERITY: lambda event: event.severity,
}

_which = st.integers(0, len(ALERTS) - 1)
_passing = st.one_of(st.integers(0, 300), st.integers(0, 7200), st.integers(0, 3 * 86_400))
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), _passing),
        st.tuples(st.just("fire"), _which, st.integers(0, 600)),
        st.tuples(st.just("resolve"), _which, st.integers(0, 4000)),
        st.tuples(st.just("lease"), _which, st.integers(1, 300)),
        st.tuples(st.just("settle")),
        st.tuples(st.just("count"), st.integers(1, 7)),
    ),
    min_size=5,
    max_size=40,
)

# The store is emptied for every example; making a failing one smaller on a real database takes minutes.
_STORES = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], phases=(Phase.explicit, Phase.reuse, Phase.generate)
)


@pytest.fixture
async def store(migrated_url: URL) -> AsyncIterator[Bench]:
    """Return the stores over an empty database."""
    async with bench(migrated_url) as opened:
        yield opened


@settings(_STORES, max_examples=12)
@given(steps=_steps, wanted=st.sampled_from(FILTERS), hours=st.sampled_from([1, 5, 47, 49, 24 * 7, 24 * 90]))
async def test_reports_are_what_their_definitions_say(
    store: Bench, steps: list[tuple[Any, ...]], wanted: ReportFilter, hours: int
) -> None:
    await store.clear()
    for step in steps:
        await _take(store, *step)
    store.clock.advance(1)
    log = await store.log()
    asked = Asked(wanted=wanted, begin=Instant(store.clock.micros - hours * HOUR_US), page_size=1000)

    await _check_names(store, asked, log)
    await _check_alerts(store, asked, log)
    await _check_durations(store, asked, log)
    await _check_activity(store, asked, log)


@settings(_STORES, max_examples=6)
@given(steps=_steps, back=st.integers(1, 400), hours=st.integers(1, 400))
async def test_windows_of_the_past_know_what_fired_at_their_end(
    store: Bench, steps: list[tuple[Any, ...]], back: int, hours: int
) -> None:
    await store.clear()
    for step in steps:
        await _take(store, *step)
    store.clock.advance(1)
    end = store.clock.micros - back * HOUR_US
    asked = Asked(wanted=ReportFilter(), begin=Instant(end - hours * HOUR_US), end=Instant(end), page_size=1000)

    await _check_names(store, asked, await store.log())
    await _check_alerts(store, asked, await store.log())


async def _take(store: Bench, what: str, *numbers: int) -> None:
    if what == "advance":
        store.clock.advance(numbers[0])
    elif what == "settle":
        await store.settle()
    elif what == "count":
        await store.counter(block=numbers[0]).count()
    else:
        store.clock.advance(0.001234)
        await store.record(_report(store, what, *numbers))


def _report(store: Bench, what: str, which: int, seconds: int) -> Any:
    fingerprint, name, namespace, severity = ALERTS[which]
    now = store.clock.now()
    fields: dict[str, Any] = {
        "fingerprint": fingerprint,
        "alert_name": name,
        "namespace": namespace,
        "severity_label": severity,
        "received_at": now,
        "starts_at": Instant(now.micros - seconds * SECOND),
    }
    if what == "resolve":
        fields |= {"is_firing": False, "ends_at": now}
    elif what == "lease":
        fields |= {"starts_at": now, "lease_expires_at": Instant(now.micros + seconds * SECOND)}
    return builders.report(**fields)


def _model(found: Listed[Any], asked: Asked, log: list[Event]) -> Model:
    begin, end = found.window.begins_us, found.window.ends_us
    assert asked.begin is not None
    assert begin <= asked.begin.micros < begin + DAY_US
    return Model(log, asked.wanted, begin, end)


async def _check_names(store: Bench, asked: Asked, log: list[Event]) -> None:
    for order in (Order.FIRED, Order.FIRING_TIME):
        found = await store.reports.top_names(asked, order)
        model = _model(found, asked, log)
        expected = {
            name: (each.fired(), each.of_kind(EventKind.RESOLVED), each.of_kind(EventKind.EXPIRED), each.alerts())
            for name, each in model.apart(OF[Dimension.NAME])
            if _is_listed(each, order)
        }
        assert {top.alert_name: (top.fired, top.resolved, top.expired, top.alerts) for top in found.items} == expected
        for top in found.items:
            assert top.firing_time == model.narrowed(OF[Dimension.NAME], top.alert_name).firing_time()
        assert found.items == sorted(found.items, key=lambda top: _weight(top, order), reverse=True)


async def _check_alerts(store: Bench, asked: Asked, log: list[Event]) -> None:
    for order in (Order.FIRED, Order.FIRING_TIME):
        found = await store.reports.top_alerts(asked, order)
        model = _model(found, asked, log)
        expected = {
            one: (each.fired(), each.of_kind(EventKind.RESOLVED), each.of_kind(EventKind.EXPIRED), each.firing_time())
            for one, each in model.apart(_fingerprint)
            if _is_listed(each, order)
        }
        assert {
            top.alert.fingerprint: (top.fired, top.resolved, top.expired, top.firing_time)
            for top in found.items
            if top.alert is not None
        } == expected
        assert found.items == sorted(found.items, key=lambda top: _weight(top, order), reverse=True)
    flapping = await store.reports.flapping_alerts(asked)
    model = _model(flapping, asked, log)
    assert {each.alert.fingerprint: each.changes for each in flapping.items} == model.changes()
    for flaps in flapping.items:
        assert flaps.longest_quiet == model.longest_quiet(flaps.alert.fingerprint)
        alert = flaps.alert
        assert (alert.fingerprint, alert.alert_name, alert.namespace, alert.severity_label) in ALERTS


async def _check_durations(store: Bench, asked: Asked, log: list[Event]) -> None:
    for dimension, of in OF.items():
        total, found = await store.reports.durations(asked, dimension)
        model = _model(found, asked, log)
        _check_spans(total.episodes, model.durations())
        _check_spans(total.gaps, model.gaps())
        assert {each.value for each in found.items} == {
            value for value in model.values(of) if model.narrowed(of, value).durations()
        }
        for each in found.items:
            _check_spans(each.episodes, model.narrowed(of, each.value).durations())
            _check_spans(each.gaps, model.narrowed(of, each.value).gaps())
        noise, noisy = await store.reports.noise(asked, dimension, 300_000)
        assert (noise.episodes, noise.short) == _noise(model)
        for each_noise in noisy.items:
            assert (each_noise.episodes, each_noise.short) == _noise(model.narrowed(of, each_noise.value))


async def _check_activity(store: Bench, asked: Asked, log: list[Event]) -> None:
    for bucket, bucket_us, offset in ((HOUR, HOUR_US, 0), (DAY, DAY_US, 0), (DAY, DAY_US, 9), (DAY, DAY_US, -5)):
        found = await store.reports.activity(asked, bucket=bucket, offset_hours=offset)
        model = Model(log, asked.wanted, found.window.begins_us, found.window.ends_us)
        assert found.heat_map == model.heat(offset)
        series = {each.begins_us: each.fired for each in found.series if each.fired}
        assert series == model.series(bucket_us, offset * HOUR_US if bucket is DAY else 0)
        assert (found.total.fired, found.total.alerts) == (model.fired(), model.alerts())
        assert found.total.firing_time == model.firing_time()
        for shares, dimension in (
            (found.names, Dimension.NAME),
            (found.namespaces, Dimension.NAMESPACE),
            (found.severities, Dimension.SEVERITY),
        ):
            expected = {each: model.narrowed(OF[dimension], each).fired() for each in model.values(OF[dimension])}
            assert {each.value: each.fired for each in shares} == {key: n for key, n in expected.items() if n}


def _check_spans(found: Spans, expected: list[int]) -> None:
    assert found.count == len(expected)
    if not expected:
        assert (found.mean, found.p50, found.p95) == (None, None, None)
        return
    assert found.mean == timedelta(milliseconds=sum(expected)) / len(expected)
    for estimate, share in ((found.p50, 0.5), (found.p95, 0.95)):
        exact = nearest_rank(expected, share)
        assert estimate is not None
        assert abs(estimate / timedelta(milliseconds=1) - exact) <= 0.05 * exact + 1


def _noise(model: Model) -> tuple[int, int]:
    return len(model.durations()), sum(each < 300_000 for each in model.durations())


def _is_listed(model: Model, order: Order) -> bool:
    return model.fired() > 0 if order is Order.FIRED else model.firing_time() > timedelta(0)


def _weight(top: Any, order: Order) -> Any:
    return top.fired if order is Order.FIRED else top.firing_time


def _fingerprint(event: Event) -> str:
    return event.fingerprint
