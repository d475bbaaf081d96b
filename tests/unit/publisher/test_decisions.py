"""Decisions about an event at a target: told at once, later, or not; and nothing that was told stays open."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common.alerts import EventKind, Instant, Severity
from alerthistory_common.matchers import Matcher
from alerthistory_publisher.domain.active_times import ActiveTime
from alerthistory_publisher.domain.conditions import Subject
from alerthistory_publisher.domain.decisions import DELAY, Action, Beginning, Decision, decide
from alerthistory_publisher.domain.deliveries import DeliveryState, Publication
from alerthistory_publisher.domain.filters import FilterAction, FilterRule, RuleBook
from alerthistory_publisher.domain.outcomes import later
from alerthistory_publisher.domain.target_filters import TargetFilter
from alerthistory_publisher.domain.targets import DEDUPLICATION_WINDOW, Target
from tests.events import event, verdict

NOW = Instant.from_datetime(datetime(2026, 3, 2, 12, tzinfo=UTC))  # A Monday.
SECOND = timedelta(seconds=1)
WARNED, NOISE = verdict(severity=Severity.WARNING), verdict(severity=Severity.NOISE)
FIRED, RESOLVED = EventKind.FIRED, EventKind.RESOLVED


def target(**fields: Any) -> Target:
    return Target(name="ops", format="webhook", url="https://example.com", **fields)


def subject(*, said: Any = None, name: str = "HighLatency", **labels: Any) -> Subject:
    return Subject.of(Publication(event=event(alert_name=name, labels={"alertname": name, **labels}), verdict=said))


def decided(
    kind: EventKind = FIRED,
    of: Subject | None = None,
    at: Target | None = None,
    *,
    rules: list[FilterRule] | None = None,
    beginning: Beginning | None = None,
    now: Instant = NOW,
) -> Decision:
    return decide(kind, of or subject(), at or target(), rules=RuleBook(rules or []), beginning=beginning, now=now)


def began(state: DeliveryState = DeliveryState.DELIVERED, **fields: Any) -> Beginning:
    given: dict[str, Any] = {"delivery_id": 1, "state": state, "ordered_at": later(NOW, -60 * SECOND)}
    return Beginning(**(given | fields))


def test_when_nothing_is_against_it_the_target_is_told_at_once() -> None:
    found = decided()
    assert (found.action, found.decided_by, found.due_at, found.text) == (Action.SEND, "default", NOW, "")


@pytest.mark.parametrize(
    ("filters", "of", "decided_by"),
    [
        ({"severities": {Severity.CRITICAL}}, subject(severity="warning"), "filter.severity"),
        ({"severities": {Severity.INFO}}, subject(severity="critical"), "filter.severity"),
        ({"severities": {Severity.INFO}}, subject(), "filter.severity"),
        ({"severities": {Severity.INFO}}, subject(severity="info", said=WARNED), "filter.severity"),
        ({"severities": {Severity.WARNING}}, subject(severity="info", said=WARNED), "default"),
        ({"severities": {Severity.CRITICAL}}, subject(severity="critical", said=NOISE), "default"),
        ({"namespaces": {"prod"}}, subject(namespace="dev", severity="critical"), "filter.namespaces"),
        ({"namespaces": {"prod"}}, subject(namespace="prod"), "default"),
        ({"alert_name_pattern": "Kube.*"}, subject(), "filter.alert_name_pattern"),
        ({"alert_name_pattern": "High"}, subject(), "filter.alert_name_pattern"),
        ({"alert_name_pattern": "High.*"}, subject(), "default"),
        ({"matchers": (Matcher.parse('team="db"'),)}, subject(team="web"), "matchers"),
        ({"matchers": (Matcher.parse('team="db"'),)}, subject(team="db"), "default"),
        ({"matchers": (Matcher.parse('team!="db"'),)}, subject(), "default"),
    ],
)  # fmt: skip
def test_a_target_is_told_what_it_wants(filters: dict[str, Any], of: Subject, decided_by: str) -> None:
    found = decided(of=of, at=target(filter=TargetFilter(**filters)))
    assert found.decided_by == decided_by
    assert found.action is (Action.SEND if decided_by == "default" else Action.FILTER)


@pytest.mark.parametrize("filters", [{}, {"exclude_noise": False, "min_confidence": 0.95}])
def test_only_an_llm_makes_noise_of_it_and_never_of_what_is_critical(filters: dict[str, Any]) -> None:
    at, noise = target(filter=TargetFilter(**filters)), verdict(severity=Severity.NOISE, confidence=0.9, source="llm")
    assert decided(of=subject(said=noise), at=at).action is Action.FILTER
    by_rules = verdict(severity=Severity.NOISE, confidence=0.9, source="rules")
    assert decided(of=subject(said=by_rules), at=at).action is Action.SEND
    assert decided(of=subject(said=noise, severity="critical"), at=at).action is Action.SEND


def test_a_repeated_firing_waits_until_its_window_is_over() -> None:
    found = decided(beginning=began())
    assert (found.action, found.decided_by) == (Action.HOLD, "deduplication_window")
    assert found.due_at == later(NOW, DEDUPLICATION_WINDOW - 60 * SECOND)
    assert decided(beginning=began(ordered_at=later(NOW, -DEDUPLICATION_WINDOW))).action is Action.SEND
    assert decided(at=target(deduplication_window=timedelta(0)), beginning=began()).action is Action.SEND


def test_a_repeated_critical_firing_waits_for_nothing() -> None:
    assert decided(of=subject(severity="critical"), beginning=began()).action is Action.SEND


def test_what_was_superseded_does_not_begin_a_window_anew() -> None:
    held_until = later(NOW, 10 * SECOND)
    assert decided(beginning=began(DeliveryState.SUPERSEDED, due_at=held_until)).due_at == held_until
    assert decided(beginning=began(DeliveryState.SUPERSEDED)).action is Action.SEND
    assert decided(beginning=began(DeliveryState.FILTERED)).action is Action.SEND


@pytest.mark.parametrize(
    ("beginning", "action"),
    [
        (None, Action.SEND),
        (began(), Action.SEND),
        (began(DeliveryState.PENDING), Action.SEND),
        (began(DeliveryState.DEAD), Action.SEND),
        (began(DeliveryState.PENDING, is_held=True, due_at=NOW), Action.SUPERSEDE),
        (began(DeliveryState.FILTERED), Action.FILTER),
        (began(DeliveryState.SUPERSEDED), Action.FILTER),
    ],
)
def test_an_end_is_told_where_its_beginning_was(beginning: Beginning | None, action: Action) -> None:
    assert decided(RESOLVED, beginning=beginning).action is action


def test_no_rule_keeps_back_the_end_of_what_was_told() -> None:
    deny = FilterRule(name="all", action=FilterAction.DENY)
    wants_nothing = target(filter=TargetFilter(namespaces=frozenset({"none"})))
    assert decided(RESOLVED, at=wants_nothing, rules=[deny], beginning=began()).action is Action.SEND
    assert decided(RESOLVED, rules=[deny]).action is Action.FILTER
    assert decided(RESOLVED, at=wants_nothing).action is Action.FILTER


def test_a_rule_that_delays_holds_back_what_is_not_critical() -> None:
    delay = FilterRule(name="calm", action=FilterAction.DELAY, conditions_json=b'{"severity":"warning"}')
    said = verdict(severity=Severity.WARNING, source="llm")
    found = decided(of=subject(said=said), rules=[delay])
    assert (found.action, found.decided_by, found.due_at) == (Action.HOLD, "rule calm", later(NOW, DELAY))
    assert decided(of=subject(said=said, severity="critical"), rules=[delay]).action is Action.SEND


def test_outside_its_times_a_target_is_told_when_they_come() -> None:
    evening = ActiveTime(days=frozenset({0}), start=time(20), end=time(2), zone=ZoneInfo("Europe/Berlin"))
    at = target(filter=TargetFilter(active_times=(evening,)))
    found = decided(of=subject(severity="critical"), at=at)
    assert (found.action, found.decided_by) == (Action.HOLD, "active_times")
    assert found.due_at == Instant.from_datetime(datetime(2026, 3, 2, 19, tzinfo=UTC))
    assert decided(at=at, now=later(NOW, timedelta(hours=12))).action is Action.SEND
    no_day = replace(evening, days=frozenset())
    never = target(filter=TargetFilter(active_times=(no_day,)))
    assert decided(at=never).action is Action.FILTER


def test_the_longest_of_several_holds_counts() -> None:
    delay = FilterRule(name="calm", action=FilterAction.DELAY)
    found = decided(rules=[delay], beginning=began(ordered_at=NOW), at=target(deduplication_window=timedelta(hours=1)))
    assert found.decided_by == "deduplication_window"


@pytest.mark.parametrize(
    ("kind", "fields", "decided_by"),
    [
        (EventKind.WENT_STALE, {}, "default"),
        (FIRED, {"is_enabled": False}, "enabled"),
        (RESOLVED, {"sends_resolved": False}, "send_resolved"),
    ],
)
def test_what_nobody_is_told_is_explained(kind: EventKind, fields: dict[str, Any], decided_by: str) -> None:
    found = decided(kind, at=target(**fields))
    assert (found.action, found.decided_by) == (Action.FILTER, decided_by)
    assert found.reason


@given(
    offset=st.integers(-400, 400),
    state=st.sampled_from(DeliveryState),
    label=st.sampled_from(["critical", "warning", ""]),
    window=st.integers(0, 600),
)
def test_a_firing_is_told_within_its_window_or_denied_by_somebody(
    offset: int, state: DeliveryState, label: str, window: int
) -> None:
    beginning = began(state, ordered_at=later(NOW, offset * SECOND), due_at=later(NOW, offset * SECOND))
    at = target(deduplication_window=timedelta(seconds=window))
    found = decided(of=subject(severity=label), at=at, beginning=beginning)
    assert found.is_told
    assert found.due_at is not None
    latest = max(NOW, later(beginning.ordered_at, timedelta(seconds=window)))
    assert NOW <= found.due_at <= latest
