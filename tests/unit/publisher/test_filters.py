"""Filter rules: which one decides, what it can look for, and what no rule can silence."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerthistory_common.alerts import Severity, Verdict
from alerthistory_publisher.domain.conditions import Subject, read_conditions
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.filters import FilterAction, FilterRule, RuleBook
from tests.events import event, verdict

NOISE = verdict(severity=Severity.NOISE, confidence=0.9, source="llm")


def rule(
    name: str = "r", action: FilterAction = FilterAction.DENY, conditions: Any = None, **fields: Any
) -> FilterRule:
    return FilterRule(name=name, action=action, conditions_json=json.dumps(conditions or {}).encode(), **fields)


def denying(rules: list[FilterRule], of: Subject, target: str = "ops") -> FilterRule | None:
    found = RuleBook(rules).deciding(of, target)
    return found if found is not None and found.action is FilterAction.DENY else None


def subject(*, said: Verdict | None = None, name: str = "HighLatency", **labels: Any) -> Subject:
    return Subject.of(Publication(event=event(alert_name=name, labels={"alertname": name, **labels}), verdict=said))


def matches(conditions: Any, of: Subject) -> bool:
    found = read_conditions(json.dumps(conditions).encode())
    return found is not None and found.hold(of)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"severity": "noise"}, True),
        ({"severity": ["info", "noise"]}, True),
        ({"severity": "info"}, False),
        ({"min_confidence": 0.9}, True),
        ({"min_confidence": 0.91}, False),
        ({"max_confidence": 0.91}, True),
        ({"max_confidence": 0.9}, False),
        ({"namespace": "prod"}, True),
        ({"namespaces": ["test", "prod"]}, True),
        ({"namespace": "test"}, False),
        ({"alert_name": "High*"}, True),
        ({"alert_name": ["Low*", "?ighLatency"]}, True),
        ({"alert_name": "high*"}, False),
        ({"labels": {"team": "a", "namespace": ["prod", "x"]}}, True),
        ({"labels": {"team": "a", "absent": ""}}, False),
        ({"labels": {"number": "5"}}, False),
        ({"severity": "noise", "namespace": "test"}, False),
    ],
)
def test_all_conditions_must_hold(conditions: Any, expected: bool) -> None:
    assert matches(conditions, subject(said=NOISE, namespace="prod", team="a", number=5)) is expected


@pytest.mark.parametrize(
    "conditions",
    [
        {"is_false_positive": True},
        {"a": [1]},
        {"severity": "major"},
        {"severity": 5},
        {"severity": "noise", "hour": 3},
        {"min_confidence": "0.1"},
        {"min_confidence": True},
        {"max_confidence": float("inf")},
        {"min_confidence": float("nan")},
        {"namespace": None},
        {"namespaces": [1]},
        {"alert_name": {}},
        {"labels": []},
        {"labels": {"a": 1}},
        [],
        "x",
    ],
)
def test_what_is_not_understood_matches_nothing(conditions: Any) -> None:
    assert read_conditions(json.dumps(conditions).encode()) is None
    broken = FilterRule(name="r", action=FilterAction.DENY, conditions_json=json.dumps(conditions).encode())
    assert denying([broken], subject(said=NOISE)) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"severity":"noise"'])
def test_conditions_that_are_no_json_match_nothing(content: bytes) -> None:
    assert read_conditions(content) is None


@pytest.mark.parametrize("conditions", [{"severity": "noise"}, {"min_confidence": 0}, {"max_confidence": 1}])
def test_only_an_llm_is_believed_about_noise_and_confidence(conditions: Any) -> None:
    assert matches(conditions, subject(said=NOISE))
    assert not matches(conditions, subject(said=verdict(severity=Severity.NOISE, source="rules")))
    assert not matches(conditions, subject())


def test_the_lowest_priority_that_matches_decides() -> None:
    rules = [
        rule("late", priority=20),
        rule("other", priority=5, target="audit"),
        rule("off", priority=1, is_enabled=False),
        rule("no", FilterAction.ALLOW, {"namespace": "x"}, priority=2),
        rule("mine", FilterAction.ALLOW, priority=10, target="ops"),
        rule("all", priority=10),
    ]
    decided = {target: RuleBook(rules).deciding(subject(), target) for target in ("ops", "audit", "new")}
    assert {target: found and found.name for target, found in decided.items()} == {
        "ops": "mine",
        "audit": "other",
        "new": "all",
    }


def test_without_a_matching_rule_everything_is_published() -> None:
    assert RuleBook([]).deciding(subject(), "ops") is None
    assert RuleBook([rule(conditions={"namespace": "x"})]).deciding(subject(), "ops") is None


@pytest.mark.parametrize("action", [FilterAction.DENY, FilterAction.DELAY])
@pytest.mark.parametrize(
    "conditions", [{"severity": "noise"}, {"max_confidence": 1}, {"namespace": "prod", "min_confidence": 0}]
)
def test_what_an_llm_says_keeps_back_nothing_critical(action: FilterAction, conditions: Any) -> None:
    book = RuleBook([rule(action=action, conditions=conditions)])
    assert book.deciding(subject(said=NOISE, namespace="prod"), "ops") is not None
    assert book.deciding(subject(said=NOISE, namespace="prod", severity=" Critical"), "ops") is None


@pytest.mark.parametrize("conditions", [{}, {"namespace": "prod"}, {"alert_name": "High*"}, {"labels": {"team": "a"}}])
def test_an_operator_may_keep_back_critical_alerts_by_their_labels(conditions: Any) -> None:
    critical = subject(said=NOISE, namespace="prod", team="a", severity="critical")
    assert denying([rule(conditions=conditions)], critical) is not None


def test_labels_that_cannot_be_read_count_as_none() -> None:
    for labels in (b"\xff", b"[1]", b"null"):
        told = Subject.of(Publication(event=event(labels_json=labels)))
        assert not matches({"labels": {"a": "b"}}, told)
        assert matches({"alert_name": "*"}, told)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "severity": st.sampled_from([each.value for each in Severity]),
        "min_confidence": st.floats(0, 1),
        "max_confidence": st.floats(0, 1),
        "alert_name": st.sampled_from(["*", "High*", "x"]),
        "namespace": st.sampled_from(["prod", "test"]),
        "labels": st.dictionaries(st.sampled_from(["namespace", "severity"]), st.text(max_size=3), max_size=2),
    },
)
_RULES = st.lists(
    st.builds(
        rule,
        action=st.sampled_from(FilterAction),
        conditions=st.one_of(st.just({}), _KNOWN, st.dictionaries(st.text(max_size=8), _JSON, max_size=3)),
        priority=st.integers(1, 1000),
        is_enabled=st.booleans(),
        target=st.sampled_from(["", "ops", "audit"]),
    ),
    max_size=8,
)
_VERDICTS = st.none() | st.builds(
    verdict, severity=st.sampled_from(Severity), confidence=st.floats(0, 1), source=st.sampled_from(["rules", "llm"])
)


@given(
    rules=_RULES,
    said=_VERDICTS,
    label=st.sampled_from(["critical", "Critical", " CRITICAL "]) | st.text(max_size=8),
    namespace=st.sampled_from(["prod", "test"]),
)
def test_no_verdict_can_make_a_rule_keep_back_a_critical_alert(
    rules: list[FilterRule], said: Verdict | None, label: str, namespace: str
) -> None:
    is_critical = label.strip().lower() == "critical" or (said is not None and said.severity is Severity.CRITICAL)
    assume(is_critical)
    unjudged = subject(severity="critical", namespace=namespace)
    if denying(rules, subject(said=said, severity=label, namespace=namespace)) is not None and label == "critical":
        assert denying(rules, unjudged) is not None


@given(rules=_RULES, said=_VERDICTS)
def test_rules_never_crash_and_a_denial_is_always_somebodys(rules: list[FilterRule], said: Verdict | None) -> None:
    found = denying(rules, subject(said=said, severity="warning"))
    assert found is None or (found.is_enabled and found.target in ("", "ops"))
