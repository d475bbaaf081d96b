"""An operator's rules: checked, extended, and read anew when their file changes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import URL

from alerthistory.alert.v1 import alert_pb2
from alerthistory_classifier.adapters.rules_file import InvalidRulesError, RulesFile, open_rules, parse_rules
from alerthistory_common.alerts import HistoryContext, Severity
from alerthistory_common.settings import SettingsError
from tests.events import event
from tests.integration.classifier.harness import running
from tests.publishers import eventually

NOISE = "extends: default\nown:\n- {rule: ours, alert_name: High.*, severity: noise}\n"
CRITICAL = NOISE.replace("noise", "critical")
QUIET = HistoryContext(times_fired=3)


def severity(text: str, **event_fields: Any) -> Severity:
    """Return what the rules in *text* say of an alert."""
    return parse_rules(text).judge(event(**event_fields), QUIET).severity


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must hold keys"),
        ("- a", "must hold keys"),
        ("a: [", "is not YAML"),
        ("extends: defaults", "extends: Input should be 'default'"),
        ("extends: default\nownn: []", "ownn: Extra inputs are not permitted"),
        ("extends: default\ndisable: [nothing]", "disable: no rule is called 'nothing'; there are "),
        ("extends: default\nown: [{rule: a}]", "own[0].severity: Field required"),
        ("extends: default\nown: [{rule: a, severity: bad}]", "own[0].severity: Input should be 'critical', "),
        ("extends: default\nown: [{rule: a, severity: info, text: '('}]", "own[0].text: is no RE2 pattern: missing )"),
        (
            "extends: default\nphrases: [{rule: a, group: impact, votes: {}, any: ['(?=x)'], because: b}]",
            "phrases[0].any[0]: is no RE2 pattern",
        ),
        ("extends: default\nmeasures: {fil: {critical: 1, warning: 2, votes: {}}}", "measures.fil: is none of fill, "),
        ("extends: default\nprior: {warning: 99}", "prior.warning: Input should be less than or equal to 10"),
        ("prior: {}", "sender: Field required"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(InvalidRulesError) as raised:
        parse_rules(text, name="my.yaml")
    assert f"my.yaml: {complaint}" in str(raised.value)


def test_own_rules_come_first_and_all_of_their_conditions_must_hold() -> None:
    text = """
extends: default
own:
- rule: ours
  severity: critical
  confidence: 0.7
  labels: {env: prod}
  label_patterns: {team: "shop-.*"}
  text: stuck
  because: we know
  do: [Call us.]
"""
    labels = {"alertname": "Watchdog", "env": "prod", "team": "shop-de"}
    told = {"summary": "Orders STUCK"}
    found = parse_rules(text).judge(event(labels=labels, annotations=told), QUIET)
    assert (found.severity, found.confidence, found.rules) == (Severity.CRITICAL, 0.7, ("ours",))
    assert found.reasoning == "Judged critical: we know."
    assert found.recommendations == ("Call us.",)
    for other in ({"env": "dev"}, {"team": "my-shop-de"}, {"team": ""}):
        assert severity(text, labels=labels | other, annotations=told) is Severity.NOISE
    assert severity(text, labels=labels, annotations={"summary": "x"}) is Severity.NOISE


def test_a_rule_that_is_disabled_does_not_fit() -> None:
    outage = {"summary": "The site is down"}
    assert "outage" in parse_rules("extends: default").judge(event(annotations=outage), QUIET).rules
    disabled = parse_rules("extends: default\ndisable: [outage]")
    assert "outage" not in disabled.judge(event(annotations=outage), QUIET).rules


def test_words_can_be_switched_off() -> None:
    told = event(annotations={"summary": "customers complain about the payment page"})
    assert "wording" in parse_rules("extends: default").judge(told, QUIET).rules
    assert "wording" not in parse_rules("extends: default\nlexicon: false").judge(told, QUIET).rules


def test_a_changed_file_is_read_and_a_wrong_one_leaves_the_last_rules(tmp_path: Path) -> None:
    path, registry = tmp_path / "rules.yaml", CollectorRegistry()
    path.write_text(NOISE)
    rules = RulesFile(path, registry)

    def look() -> tuple[Severity, float | None]:
        rules.look()
        valid = registry.get_sample_value("alerthistory_classifier_rules_valid")
        return rules().judge(event(), QUIET).severity, valid

    assert look() == (Severity.NOISE, 1)
    path.write_text(CRITICAL)
    assert look() == (Severity.CRITICAL, 1)
    path.write_text("extends: nothing")
    assert look() == (Severity.CRITICAL, 0)
    path.unlink()
    assert look() == (Severity.CRITICAL, 0)
    path.write_text(NOISE)
    assert look() == (Severity.NOISE, 1)


def test_a_config_map_is_followed_to_its_next_version(tmp_path: Path) -> None:
    for version, text in (("1", NOISE), ("2", CRITICAL)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "rules.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "rules.yaml").symlink_to("..data/rules.yaml")
    rules = RulesFile(tmp_path / "rules.yaml", CollectorRegistry())
    assert rules().judge(event(), QUIET).severity is Severity.NOISE
    (tmp_path / "..next").symlink_to("2")
    (tmp_path / "..next").rename(tmp_path / "..data")
    rules.look()
    assert rules().judge(event(), QUIET).severity is Severity.CRITICAL


async def test_a_wrong_file_at_the_start_is_a_setting_to_mend(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    for content, complaint in ((None, "cannot be read: No such file"), (b"\xff", "is not UTF-8"), (b"a: 1", "extends")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match="ALERTHISTORY_CLASSIFIER_RULES_FILE") as raised:
            async with open_rules(path, registry=CollectorRegistry()):
                pass
        assert complaint in str(raised.value) or content == b"a: 1"


async def test_a_running_classifier_judges_by_the_changed_file(store: URL, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(NOISE)
    async with running(store, rules_file=path) as classifier:
        assert (await classifier.classify(event())).verdict.severity == alert_pb2.SEVERITY_NOISE
        await asyncio.to_thread(path.write_text, CRITICAL)

        async def is_changed() -> bool:
            return (await classifier.classify(event())).verdict.severity == alert_pb2.SEVERITY_CRITICAL

        await eventually(is_changed, saying="the new rules are in force", within_s=15)
