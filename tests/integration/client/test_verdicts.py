"""The commands about verdicts, rules, overrides and the LLM, against services in memory."""

import json
from pathlib import Path
from typing import Any

import pytest

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_common.alerts import Severity
from alerthistory_common.errors import StoreUnavailableError
from tests.integration.client.command import ahctl
from tests.integration.client.fake_services import FakeServices
from tests.integration.client.messages import HOSTILE, UNSAFE, ago, alert, event

_A1 = "00000000000000a1"
_VALID = "severities: {HighLatency: info}\n"


def _body(*names: str, **others: Any) -> bytes:
    """Return one alert a line, each with a fingerprint of its own."""
    alerts = (
        {"labels": {"alertname": name, "severity": "critical"}, "fingerprint": f"f-{name}", **others} for name in names
    )
    return "\n".join(map(json.dumps, alerts)).encode()


def _classification(number: int, **verdict: Any) -> pb.Classification:
    fields: dict[str, Any] = {
        "severity": alert_pb2.SEVERITY_CRITICAL,
        "confidence": 0.85,
        "source": "rules",
        "reasoning": "because",
    }
    return pb.Classification(
        fingerprint=f"{number:016x}",
        alert_name="HighLatency",
        verdict=alert_pb2.Verdict(**(fields | verdict)),
        created_at=ago(minutes=5),
    )


async def test_classify_says_what_why_and_that_no_llm_is_asked(services: FakeServices, address: str) -> None:
    finished = await ahctl("classify", "-", "--server", address, stdin=_body("HighLatency"))
    assert (finished.status, finished.err) == (0, "")
    title, *lines = finished.out.splitlines()
    assert title == "HighLatency  f-HighLatency"
    shown = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in lines}
    assert shown["severity"] == "critical, confidence 0.65"
    assert shown["rules"] == "sender"
    assert shown["reasoning"] == "Judged critical: so says sender."
    assert shown["do"] == "- Look at the dashboard."
    assert shown["LLM"] == "not asked: no LLM is configured"
    assert len(shown["template"]) == 64
    assert not services.classifier.classifications


async def test_classify_shows_the_question_when_it_is_wanted(services: FakeServices, address: str) -> None:
    services.classifier.status.model = "gpt"
    without = await ahctl("classify", "-", "--server", address, stdin=_body("Größe"))
    assert "LLM          would be asked" in without.out
    assert "question" not in without.out
    finished = await ahctl("classify", "-", "--question", "--server", address, stdin=_body("Größe"))
    assert '"alertname": "Größe"' in finished.out
    plain = await ahctl("classify", "-", "--json", "--server", address, stdin=_body("Größe"))
    (shown,) = plain.json["alerts"]
    assert shown["question"]["labels"]["alertname"] == "Größe"


async def test_classify_says_that_an_override_decides(services: FakeServices, address: str) -> None:
    await ahctl("override", "set", "f-A", "noise", "--reason", "a test", "--author", "ann", "--server", address)
    finished = await ahctl("classify", "-", "--server", address, stdin=_body("A"))
    assert "severity     noise, because of the override" in finished.out
    assert "override     noise by ann, " in finished.out
    assert "by rules     critical, confidence 0.65" in finished.out
    assert "not asked: an override is in force" in finished.out
    (shown,) = (await ahctl("classify", "-", "--json", "--server", address, stdin=_body("A"))).json["alerts"]
    assert set(shown) == {
        "fingerprint", "alert_name", "severity", "rules_verdict", "override", "question", "not_asked_because",
        "template_hash",
    }  # fmt: skip
    assert (shown["severity"], shown["override"]["reason"]) == ("noise", "a test")
    assert shown["rules_verdict"]["severity"] == "critical"


async def test_classify_sends_the_past_and_a_hundred_alerts_at_once(services: FakeServices, address: str) -> None:
    names = [f"A{number}" for number in range(250)]
    body = _body(*names, history={"times_fired": 3, "median_duration_s": 2.5})
    finished = await ahctl("classify", "-", "--json", "--server", address, stdin=body)
    assert [each["alert_name"] for each in finished.json["alerts"]] == names
    assert services.classifier.calls == [100, 100, 50]
    case = services.classifier.judged[0]
    assert case.event.kind == alert_pb2.EVENT_KIND_FIRED
    assert (case.history.times_fired, case.history.median_duration.ToJsonString()) == (3, "2.500s")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"alerts": [}', "is not JSON: Expecting value: line 1 column 13"),
        (b'{"labels": {"a": "b"}}\n{"labels": 7}', "line 2: labels must be an object"),
        (None, "cannot be read: No such file or directory"),
    ],
)
async def test_wrong_files_are_named_with_the_place(
    services: FakeServices, address: str, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "alerts.json"
    if content is not None:
        file.write_bytes(content)
    finished = await ahctl("classify", str(file), "--server", address)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"Error: {file}: {problem}")
    assert not services.classifier.judged


async def test_rules_check_names_the_path_of_what_is_wrong(
    services: FakeServices, address: str, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(_VALID)
    bad.write_text("severities: {HighLatency: loud}\n")
    valid = await ahctl("rules", "check", str(good), "--server", address)
    assert (valid.status, valid.out, valid.err) == (0, f"{good}: valid\n", "")
    invalid = await ahctl("rules", "check", str(bad), "--server", address)
    complaint = "severities.HighLatency: must be one of critical, warning, info, noise"
    assert (invalid.status, invalid.out, invalid.err) == (1, "", f"{bad}: {complaint}\n")
    plain = await ahctl("rules", "check", "-", "--json", "--server", address, stdin=bad.read_bytes())
    assert (plain.status, plain.json) == (1, {"file": "-", "is_valid": False, "problem": complaint})
    missing = await ahctl("rules", "check", "missing.yaml", "--server", address)
    assert missing.err == "Error: missing.yaml: cannot be read: No such file or directory\n"


async def test_a_complaint_of_several_lines_stays_readable(services: FakeServices, address: str) -> None:
    finished = await ahctl("rules", "check", "-", "--server", address, stdin=b"a: [\n")
    first, second, *_ = finished.err.splitlines()
    assert finished.status == 1
    assert first.startswith("stdin: the rules are not YAML")
    assert second.startswith("  ")


async def test_rules_test_shows_both_verdicts_and_what_changed(
    services: FakeServices, address: str, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(_VALID)
    finished = await ahctl("rules", "test", str(rules), "-", "--server", address, stdin=_body("HighLatency", "Other"))
    assert finished.status == 0
    heading, first, second, summary = finished.out.splitlines()
    assert heading.split() == ["ALERT", "IN", "FORCE", "TESTED", "CHANGED", "RULES"]
    assert first.split() == ["HighLatency", "critical", "info", "yes", "named-HighLatency"]
    assert second.split() == ["Other", "critical", "critical", "no", "sender"]
    assert summary == "2 alerts, 1 changed, 0 not as expected"
    assert not services.classifier.classifications


async def test_rules_test_fails_when_an_expectation_is_not_met(
    services: FakeServices, address: str, tmp_path: Path
) -> None:
    rules, met, missed = tmp_path / "rules.yaml", tmp_path / "met.json", tmp_path / "missed.json"
    rules.write_text(_VALID)
    met.write_bytes(_body("HighLatency", expect="info"))
    missed.write_bytes(_body("Other", expect="noise"))
    good = await ahctl("rules", "test", str(rules), str(met), "--server", address)
    assert good.status == 0
    assert good.out.endswith("1 alert, 1 changed, 0 not as expected\n")
    table = await ahctl("rules", "test", str(rules), str(met), str(missed), "--server", address)
    assert table.status == 1
    assert "not noise" in table.out
    assert table.out.endswith("2 alerts, 1 changed, 1 not as expected\n")
    plain = await ahctl("rules", "test", str(rules), str(met), str(missed), "--json", "--server", address)
    assert plain.status == 1
    assert (plain.json["changed_count"], plain.json["unexpected_count"]) == (1, 1)
    shown = plain.json["alerts"][1]
    assert set(shown) == {
        "fingerprint", "alert_name", "is_changed", "expected", "is_expected", "tested", "in_force",
    }  # fmt: skip
    assert (shown["expected"], shown["is_expected"], shown["tested"]["severity"]) == ("noise", False, "critical")


async def test_rules_that_are_wrong_are_not_tested(services: FakeServices, address: str, tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.json"
    alerts.write_bytes(_body("A"))
    finished = await ahctl("rules", "test", "-", str(alerts), "--server", address, stdin=b"severities: 7")
    assert (finished.status, finished.out, finished.err) == (1, "", "stdin: severities: must be a mapping\n")


async def test_an_override_is_set_listed_and_removed(services: FakeServices, address: str) -> None:
    services.alerts = [alert()]
    done = await ahctl(
        "override", "set", _A1, "INFO", "--reason", " known ", "--server", address, env={"LOGNAME": "ann"}
    )
    assert (done.status, done.err) == (0, "")
    assert done.out == f"HighLatency ({_A1}) is info from now on, says ann: known\n"
    await ahctl("override", "set", "b", "noise", "--reason", "r", "--author", "bob", "--server", address)
    await ahctl("override", "set", "c", "noise", "--reason", "r", "--author", "bob", "--server", address)
    listed = await ahctl("override", "list", "--server", address)
    heading, *rows = listed.out.splitlines()
    assert heading.split() == ["SET", "SEVERITY", "ALERT", "BY", "REASON", "FINGERPRINT"]
    assert [row.split()[-1] for row in rows] == ["c", "b", _A1]
    plain = await ahctl("override", "list", "--json", "--limit", "1", "--server", address)
    (shown,) = plain.json["overrides"]
    assert set(shown) == {"fingerprint", "alert_name", "severity", "author", "reason", "created_at"}

    removed = await ahctl("override", "remove", _A1, "--author", "cid", "--server", address)
    assert removed.status == 0
    assert removed.out.startswith(f"removed: {_A1} is judged again")
    assert services.classifier.removed_by == ["cid"]
    again = await ahctl("override", "remove", _A1, "--server", address)
    assert (again.status, again.err) == (1, "Error: this alert has no override\n")


async def test_an_override_of_an_alert_that_was_never_seen_warns_and_counts(
    services: FakeServices, address: str
) -> None:
    finished = await ahctl(
        "override", "set", "typo", "noise", "--reason", "r", "--author", "ann", "--json", "--server", address
    )
    assert finished.status == 0
    assert finished.err.startswith("Warning: history never saw the fingerprint typo. A slip?")
    assert (finished.json["fingerprint"], finished.json["alert_name"]) == ("typo", "")
    assert len(services.classifier.overrides) == 1


async def test_an_override_does_not_need_history(idle: FakeServices, address: str) -> None:
    async with idle.serving(address, "classifier"):
        finished = await ahctl("override", "set", _A1, "noise", "--reason", "r", "--author", "ann", "--server", address)
    assert finished.status == 0
    assert finished.err.startswith("Warning: the alert's name is not known: what answers at ")
    assert len(idle.classifier.overrides) == 1


async def test_a_verdict_is_shown_in_full(services: FakeServices, address: str) -> None:
    stored = _classification(0xA1, source="gpt", recommendations=["Look.", "Act."], reasoning="It is\nbad.", rules=[])
    stored.metadata_json = '{"why": "größer"}'.encode()
    services.classifier.classifications = [stored]
    finished = await ahctl("verdict", _A1, "--server", address)
    assert finished.status == 0
    lines = finished.out.splitlines()
    assert lines[:3] == [
        f"HighLatency  {_A1}",
        "  severity     critical, confidence 0.85",
        "  judged by    gpt",
    ]
    assert "  judged       5 minutes ago, 20" in finished.out
    for shown in (
        "  reasoning    It is\n               bad.\n",
        "  do           - Look.\n               - Act.\n",
        '  also said    {\n                 "why": "größer"\n               }\n',
    ):
        assert shown in finished.out
    plain = await ahctl("verdict", _A1, "--json", "--server", address)
    assert set(plain.json) == {"fingerprint", "alert_name", "verdict", "created_at", "metadata"}
    assert plain.json["metadata"] == {"why": "größer"}


async def test_without_a_verdict_the_error_says_how_to_get_one(services: FakeServices, address: str) -> None:
    finished = await ahctl("verdict", _A1, "--server", address)
    assert finished.status == 1
    assert finished.err == "Error: this alert was never judged: `ahctl verdict --refresh` judges it now\n"


async def test_a_verdict_is_refreshed_from_what_history_knows(services: FakeServices, address: str) -> None:
    services.alerts = [alert(times_fired=3)]
    closed = event("B", kind=alert_pb2.EVENT_KIND_RESOLVED, starts_at=ago(minutes=9), ends_at=ago(minutes=4))
    await services.happen(event("A"), closed, event("Now", event_id="the-last"))
    services.classifier.rules = {"HighLatency": Severity.INFO, "Now": Severity.NOISE}
    finished = await ahctl("verdict", "--refresh", _A1, "--server", address)
    assert finished.status == 0
    assert "severity     noise, confidence 0.90" in finished.out
    (case,) = services.classifier.judged
    assert (case.event.event_id, case.event.kind) == ("the-last", alert_pb2.EVENT_KIND_FIRED)
    assert case.event.labels_json == services.alerts[0].labels_json, "its content is that of the last report"
    assert (case.history.times_fired, round(case.history.median_duration.seconds, -1)) == (2, 300)
    assert [each.fingerprint for each in services.classifier.classifications] == [_A1]


async def test_only_what_history_knows_can_be_refreshed(services: FakeServices, address: str) -> None:
    finished = await ahctl("verdict", "typo", "--refresh", "--server", address)
    assert (finished.status, finished.err) == (1, "Error: no alert has the fingerprint 'typo'\n")
    assert not services.classifier.judged


async def test_verdicts_are_listed_over_all_pages_and_by_confidence(services: FakeServices, address: str) -> None:
    services.classifier.classifications = [
        _classification(number, confidence=confidence) for number, confidence in enumerate((0.9, 0.2, 0.9, 0.9))
    ]
    table = await ahctl("verdicts", "--server", address)
    heading, first, *others = table.out.splitlines()
    assert heading.split() == ["JUDGED", "SEVERITY", "CONFIDENCE", "BY", "ALERT", "FINGERPRINT"]
    assert first.split() == ["5", "minutes", "ago", "critical", "0.90", "rules", "HighLatency", "0000000000000000"]
    assert len(others) == 3
    plain = await ahctl("verdicts", "--min-confidence", "0.5", "--limit", "2", "--json", "--server", address)
    assert [each["fingerprint"] for each in plain.json["verdicts"]] == ["0000000000000000", "0000000000000002"]


async def test_llm_shows_who_judged_what_it_cost_and_its_state(services: FakeServices, address: str) -> None:
    nothing = await ahctl("llm", "--server", address)
    assert (nothing.status, nothing.out) == (
        0,
        "no LLM is configured: the rules judge\nnothing was judged in that time\n",
    )

    services.classifier.status.model = "gpt"
    services.classifier.status.llm_state = pb.LLM_STATE_BUDGET_SPENT
    services.classifier.stats = pb.GetStatsResponse(
        verdicts=[
            pb.VerdictCount(severity=alert_pb2.SEVERITY_CRITICAL, source="rules", count=1),
            pb.VerdictCount(severity=alert_pb2.SEVERITY_NOISE, source="gpt", count=2),
            pb.VerdictCount(severity=alert_pb2.SEVERITY_INFO, source="gpt", count=3),
        ],
        models=[
            pb.ModelUsage(
                model="gpt", questions=7, failures=2, cache_hits=30, fallbacks=4, prompt_tokens=9000,
                completion_tokens=500, cost=1.25,
            )
        ],
        daily_budget=5,
        spent_today=5.5,
    )  # fmt: skip
    finished = await ahctl("llm", "--days", "7", "--server", address)
    assert services.classifier.stats_days == [0, 7]
    state, spent, heading, by_model, by_rules, _, model = finished.out.splitlines()
    assert state == "gpt has spent the day's budget: the rules judge until midnight, UTC"
    assert spent == "spent today: 5.5 of 5 (110%)"
    assert heading.split() == ["JUDGE", "CRITICAL", "WARNING", "INFO", "NOISE", "ALL"]
    assert by_model.split() == ["gpt", "0", "0", "3", "2", "5"]
    assert by_rules.split() == ["rules", "1", "0", "0", "0", "1"]
    assert model.split() == ["gpt", "7", "2", "30", "4", "9000", "500", "1.25"]
    plain = await ahctl("llm", "--json", "--server", address)
    assert set(plain.json) == {
        "model", "llm_state", "days", "verdicts", "models", "daily_budget", "spent_today",
    }  # fmt: skip
    assert (plain.json["llm_state"], plain.json["days"]) == ("budget_spent", None)


async def test_status_and_doctor_tell_of_the_llm(services: FakeServices, address: str) -> None:
    services.classifier.status.model = "gpt"
    services.classifier.status.llm_state = pb.LLM_STATE_FAILING
    status = await ahctl("status", "--server", address)
    assert "gpt is failing" in status.out
    plain = await ahctl("status", "--json", "--server", address)
    classifier = plain.json["services"]["classifier"]
    assert (classifier["model"], classifier["llm_state"]) == ("gpt", "failing")
    doctor = await ahctl("doctor", "--server", address)
    (line,) = (line for line in doctor.out.splitlines() if line.split()[1] == "llm")
    assert line.startswith("warning")
    assert "See `ahctl llm`" in line


async def test_who_set_the_mode_is_kept_and_listed(services: FakeServices, address: str) -> None:
    assert (await ahctl("mode", "--history", "--server", address)).out == "nobody has set the mode\n"
    await ahctl("mode", "enriched", "--server", address, env={"LOGNAME": "ann"})
    await ahctl("mode", "transparent", "--author", "bob", "--server", address)
    table = await ahctl("mode", "--history", "--server", address)
    heading, last, first = table.out.splitlines()
    assert heading.split() == ["SET", "MODE", "BEFORE", "BY"]
    assert last.split()[-3:] == ["transparent", "enriched", "bob"]
    assert first.split()[-2:] == ["enriched", "ann"]
    plain = await ahctl("mode", "--history", "--limit", "1", "--json", "--server", address)
    (shown,) = plain.json["changes"]
    assert set(shown) == {"previous", "mode", "changed_at", "author"}


async def test_hostile_texts_of_verdicts_and_overrides_are_harmless(services: FakeServices, address: str) -> None:
    stored = _classification(0xA1, reasoning=HOSTILE, source=HOSTILE, recommendations=[HOSTILE], rules=[HOSTILE])
    stored.alert_name = HOSTILE
    stored.metadata_json = json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False).encode()
    services.classifier.classifications = [stored]
    services.classifier.status.model = HOSTILE
    services.classifier.status.llm_state = pb.LLM_STATE_AVAILABLE
    override = pb.Override(
        fingerprint=HOSTILE,
        alert_name=HOSTILE,
        author=HOSTILE,
        reason=HOSTILE,
        severity=alert_pb2.SEVERITY_INFO,
        created_at=ago(days=1),
    )
    services.classifier.overrides = [override]
    alerts = json.dumps([{"labels": {"alertname": HOSTILE}}, {"labels": {"a": "b"}, "fingerprint": HOSTILE}]).encode()
    for arguments in (
        ("verdict", _A1),
        ("verdicts",),
        ("override", "list"),
        ("llm",),
        ("status",),
        ("doctor",),
        ("classify", "-", "--question"),
    ):
        finished = await ahctl(*arguments, "--server", address, stdin=alerts)
        assert not set(UNSAFE) & set(finished.out + finished.err), arguments
        assert "\\x1b" in finished.out, arguments
        assert not any(line.startswith("second line") for line in finished.out.splitlines()), arguments


async def test_an_error_of_the_service_is_shown(services: FakeServices, address: str) -> None:
    services.error = StoreUnavailableError("the database is away")
    for arguments in (("verdicts",), ("verdict", _A1), ("llm",), ("override", "list"), ("mode", "--history")):
        finished = await ahctl(*arguments, "--server", address)
        assert (finished.status, finished.err) == (1, "Error: the database is away\n")


async def test_a_fingerprint_that_cannot_be_sent_is_refused() -> None:
    finished = await ahctl("verdict", "\udcff")
    assert finished.status == 2
    assert "a fingerprint must be UTF-8" in finished.err


async def test_an_older_service_is_told_from_a_wrong_call(idle: FakeServices, address: str) -> None:
    async with idle.serving(address, "history"):
        finished = await ahctl("llm", "--server", address)
    assert finished.status == 1
    assert "does not offer classifier as this client knows it: is it another service, or an older" in finished.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("override", "set", _A1, "loud", "--reason", "r"), "'noise'"),
        (("override", "set", _A1, "noise"), "--reason"),
        (("override", "set", _A1, "noise", "--reason", " "), "a reason must not be empty"),
        (("override", "set", _A1, "noise", "--reason", "r", "--author", ""), "a name must not be empty"),
        (("override", "remove", ""), "a fingerprint must not be empty"),
        (("override", "sett"), "Did you mean 'set'?"),
        (("verdict",), "FINGERPRINT"),
        (("verdict", "a", "b"), "unexpected extra argument"),
        (("verdicts", "--min-confidence", "2"), "0<=x<=1"),
        (("rules", "test", "rules.yaml"), "ALERTS"),
        (("rules", "test", "-", "-"), "stdin (-) can be read once only"),
        (("classify",), "FILE"),
        (("llm", "--days", "0"), "x>=1"),
        (("mode", "enriched", "--history"), "either set a mode, or ask for its --history"),
        (("mode", "--author", "ann"), "--author goes with a mode to set"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_wrong_calls_exit_2_with_a_hint(arguments: tuple[str, ...], hint: str) -> None:
    finished = await ahctl(*arguments)
    assert finished.status == 2
    assert hint in " ".join(finished.err.split())
