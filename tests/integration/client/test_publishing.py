"""The commands about targets, filter rules and deliveries, against services in memory."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.publisher.v1 import delivery_pb2, filter_rule_pb2, target_pb2, target_service_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as pb
from alerthistory_client.addresses import Addresses
from alerthistory_client.client import open_client
from alerthistory_client.publishing_records import Replay
from alerthistory_common.errors import InvalidArgumentError
from tests.integration.client.command import Finished, ahctl
from tests.integration.client.fake_services import FakeServices
from tests.integration.client.messages import HOSTILE, UNSAFE, ago, alert, delivery, event

_A1 = "00000000000000a1"
_ALERT = b'{"labels": {"alertname": "HighLatency"}, "history": {"times_fired": 3}, "status": "resolved"}'


@pytest.fixture
def services(services: FakeServices) -> FakeServices:
    """Return services whose publisher has a busy target, and one that is disabled."""
    services.publisher.targets = [
        target_pb2.Target(
            name="pager",
            format="pagerduty",
            address="https://p:443",
            url="https://p/***",
            is_enabled=True,
            sends_resolved=True,
            source="file targets.yaml",
            rate_limits=["1 per 1 second", "50 per 1 minute"],
            concurrency=4,
            filter_json=b'{"namespaces": ["shop"]}',
        ),
        target_pb2.Target(name="chat", format="slack", address="https://c", url="https://c/***", source="kubernetes x"),
    ]
    services.publisher.stats = [
        pb.TargetStats(
            target="pager",
            delivered=31,
            dead=32,
            pending=33,
            filtered=34,
            superseded=35,
            breaker_state=pb.BREAKER_STATE_HALF_OPEN,
        ),
        pb.TargetStats(target="gone", dead=1),
    ]
    return services


def _cells(finished: Finished) -> list[list[str]]:
    """Return the cells of every line of a table, the headings first."""
    return [[cell for cell in line.split("  ") if cell.strip()] for line in finished.out.splitlines()]


async def test_targets_are_listed_with_their_figures_and_problems(services: FakeServices, address: str) -> None:
    services.publisher.target_problems = [target_pb2.TargetProblem(source="file targets.yaml", problem=HOSTILE)]
    finished = await ahctl("targets", "--server", address)
    _, pager, chat = ([cell.strip() for cell in row] for row in _cells(finished))
    assert pager == [
        "pager", "pagerduty", "https://p:443", "yes", "yes", "1 per 1 second, 50 per 1 minute", "half open", "31", "32",
        "33", "34", "file targets.yaml",
    ]  # fmt: skip
    assert chat == ["chat", "slack", "https://c", "no", "no", "never used", "0", "0", "0", "0", "kubernetes x"]
    former, problem, *_ = finished.err.splitlines()
    assert former == "not configured any more, but with deliveries: gone"
    assert problem.startswith("Problem: file targets.yaml: ")
    assert not set(UNSAFE) & set(finished.err)
    assert finished.status == 0


async def test_json_of_targets_has_stable_keys(services: FakeServices, address: str) -> None:
    services.publisher.target_problems = [target_pb2.TargetProblem(source="file t", problem="no url")]
    shown = (await ahctl("targets", "--json", "--server", address)).json
    assert set(shown) == {"targets", "problems", "former_targets"}
    assert set(shown["targets"][0]) == {
        "name", "format", "address", "is_enabled", "sends_resolved", "url", "source", "rate_limits", "concurrency",
        "filter", "stats",
    }  # fmt: skip
    assert shown["targets"][0]["stats"]["superseded"] == 35
    assert shown["targets"][0]["stats"]["breaker_state"] == "half_open"
    assert shown["targets"][1]["stats"] == {
        "target": "chat", "delivered": 0, "dead": 0, "pending": 0, "filtered": 0, "superseded": 0,
        "last_delivered_at": None, "breaker_state": None, "breaker_open_until": None,
    }  # fmt: skip
    assert shown["problems"] == [{"source": "file t", "problem": "no url"}]
    assert [each["target"] for each in shown["former_targets"]] == ["gone"]


async def test_one_target_is_shown_in_full(services: FakeServices, address: str) -> None:
    services.publisher.stats[0].breaker_state = pb.BREAKER_STATE_OPEN
    services.publisher.stats[0].breaker_open_until.CopyFrom(ago(minutes=-5, seconds=-10))
    services.publisher.stats[0].last_delivered_at.CopyFrom(ago(hours=3))
    finished = await ahctl("targets", "show", "pager", "--server", address)
    lines = [line.strip() for line in finished.out.splitlines()]
    assert lines[0] == "pager"
    for line in (
        "URL          https://p/***", "source       file targets.yaml", "50 per 1 minute", "at a time    4",
        '"namespaces": [', "delivered    31, the last 3 hours ago", "superseded   35",
    ):  # fmt: skip
        assert line in lines
    assert any(line.startswith("breaker      open, tried again in 5 minutes, 20") for line in lines)
    other = await ahctl("targets", "show", "chat", "--json", "--server", address)
    assert (other.json["filter"], other.json["stats"]["delivered"]) == ({}, 0)


@pytest.mark.parametrize("command", ["show", "test", "preview"])
async def test_a_target_that_is_none_is_an_error_with_advice(
    services: FakeServices, address: str, command: str
) -> None:
    assert services.publisher.targets
    finished = await ahctl("targets", command, "nobody", "--server", address)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err == "Error: no target 'nobody': `ahctl targets` lists them\n"


async def test_a_refresh_fails_when_some_of_it_cannot_be_used(services: FakeServices, address: str) -> None:
    good = await ahctl("targets", "refresh", "--server", address)
    assert (good.status, good.out, good.err) == (0, "2 targets in force\n", "")
    services.publisher.target_problems = [target_pb2.TargetProblem(source="file t", problem="no url\nat all")]
    partly = await ahctl("targets", "refresh", "--server", address)
    assert (partly.status, partly.out) == (1, "2 targets in force\n")
    assert partly.err == "Problem: file t: no url\n  at all\n"
    services.publisher.problem = "targets.yaml: is not YAML"
    bad = await ahctl("targets", "refresh", "--server", address)
    assert (bad.status, bad.out, bad.err) == (1, "", "Error: targets.yaml: is not YAML\n")


async def test_a_test_alert_is_sent_and_its_result_told(services: FakeServices, address: str) -> None:
    services.publisher.test_answer.response_time.FromMilliseconds(87)
    finished = await ahctl("targets", "test", "pager", "--server", address)
    assert (finished.status, finished.out) == (0, "pager: delivered, status 200, in 87 ms\n")
    (sent,) = services.publisher.tests
    assert (sent.target, sent.alert_json, sent.HasField("timeout")) == ("pager", b"", False)


async def test_a_test_alert_that_is_not_delivered_exits_1(services: FakeServices, address: str) -> None:
    services.publisher.test_answer = target_service_pb2.TestTargetResponse(
        problem=HOSTILE, response_time=Duration(seconds=2)
    )
    finished = await ahctl("targets", "test", "pager", "-", "--timeout", "2.5", "--server", address, stdin=_ALERT)
    assert finished.status == 1
    assert finished.out.startswith("pager: not delivered, no answer, after 2e+03 ms: ")
    assert not set(UNSAFE) & set(finished.out)
    (sent,) = services.publisher.tests
    assert sent.timeout.ToMilliseconds() == 2500
    assert json.loads(sent.alert_json) == {"labels": {"alertname": "HighLatency"}, "status": "resolved"}
    plain = await ahctl("targets", "test", "pager", "--json", "--server", address)
    assert plain.status == 1
    assert set(plain.json) == {"target", "is_delivered", "status_code", "response_time", "problem"}


async def test_a_target_may_take_longer_than_other_calls(services: FakeServices, address: str) -> None:
    services.publisher.test_s = 0.6
    async with open_client(Addresses.at(address), timeout_s=0.3) as client:
        assert (await client.publishing.test_target("pager", limit=timedelta(seconds=5))).is_delivered


async def test_a_file_of_several_alerts_is_no_test_alert(services: FakeServices, address: str) -> None:
    body = json.dumps({"alerts": [{"labels": {"a": "b"}}] * 3}).encode()
    finished = await ahctl("targets", "test", "pager", "-", "--server", address, stdin=body)
    assert (finished.status, finished.err) == (1, "Error: stdin: holds 3 alerts: give one\n")
    assert services.publisher.tests == []


async def test_a_preview_shows_what_would_be_sent(services: FakeServices, address: str) -> None:
    options = ("--severity", "warning", "--confidence", "0.7", "--title", "{{ alert }}", "--description", "")
    finished = await ahctl("targets", "preview", "chat", "-", *options, "--server", address, stdin=_ALERT)
    assert finished.status == 0
    assert finished.out.splitlines()[:6] == [
        "POST https://c/***",
        "Authorization: ***",
        "Content-Type: application/json",
        "",
        "{",
        '  "token": "***",',
    ]
    (asked,) = services.publisher.previews
    assert (asked.verdict.severity, round(asked.verdict.confidence, 2)) == (alert_pb2.SEVERITY_WARNING, 0.7)
    assert (asked.title_template, asked.description_template) == ("{{ alert }}", "")
    assert asked.HasField("description_template")
    plain = await ahctl("targets", "preview", "chat", "--json", "--server", address)
    assert set(plain.json) == {"method", "url", "headers", "body"}
    assert plain.json["body"]["title"] == "configured"
    asked = services.publisher.previews[1]
    assert not asked.HasField("verdict")
    assert not asked.HasField("title_template")
    assert not asked.HasField("description_template")


async def test_a_template_that_is_wrong_is_told(services: FakeServices, address: str) -> None:
    finished = await ahctl("targets", "preview", "chat", "--title", "{{ oops", "--server", address)
    assert (finished.status, finished.err) == (1, "Error: title_template: unexpected end of template\n")
    assert services.publisher.previews == []


async def test_explain_takes_what_history_knows_with_its_verdict(services: FakeServices, address: str) -> None:
    services.alerts = [alert()]
    await services.happen(event("HighLatency"))
    services.classifier.mode = classifier_pb2.ENRICHMENT_MODE_ENRICHED
    services.classifier.classifications = [
        classifier_pb2.Classification(
            fingerprint=_A1,
            verdict=alert_pb2.Verdict(severity=alert_pb2.SEVERITY_INFO, confidence=0.6, source="gpt"),
            created_at=ago(),
        )
    ]
    finished = await ahctl("explain", _A1, "--server", address)
    assert (finished.status, finished.err) == (0, "")
    title, verdict, headings, pager, chat = finished.out.splitlines()
    assert title == f"HighLatency  {_A1}"
    assert verdict.split(maxsplit=1)[1] == "info, confidence 0.60, by gpt"
    assert headings.split() == ["TARGET", "ACTION", "DECIDED", "BY", "REASON", "WHEN"]
    assert pager.split() == ["pager", "send", "default", "nothing", "is", "against", "it", "now"]
    assert chat.split() == ["chat", "filter", "enabled", "it", "is", "disabled", "never"]
    (asked,) = services.publisher.explained
    assert asked.publication.event.kind == alert_pb2.EVENT_KIND_FIRED
    assert asked.publication.verdict.source == "gpt"
    assert not asked.HasField("at")


async def test_explain_names_the_rule_and_when(services: FakeServices, address: str) -> None:
    services.publisher.rules = [
        filter_rule_pb2.FilterRule(
            name="later", action=filter_rule_pb2.FILTER_ACTION_DELAY, is_enabled=True, priority=5
        )
    ]
    at = ("--at", "2200-01-02T03:04:05Z")
    finished = await ahctl("explain", "-", "--resolved", *at, "--server", address, stdin=_ALERT)
    assert "pager   hold    rule later" in finished.out
    assert "days, 2200-01-02T04:04:05Z" in finished.out
    (asked,) = services.publisher.explained
    assert asked.at.ToJsonString() == "2200-01-02T03:04:05Z"
    assert asked.publication.event.kind == alert_pb2.EVENT_KIND_RESOLVED
    assert asked.publication.event.HasField("ends_at")
    plain = await ahctl("explain", "-", "--json", "--server", address, stdin=_ALERT)
    (shown,) = plain.json["alerts"]
    assert set(shown) == {"fingerprint", "alert_name", "change", "verdict", "targets"}
    assert set(shown["targets"][0]) == {"target", "action", "decided_by", "reason", "due_at"}
    assert (shown["change"], shown["targets"][0]["action"]) == ("fired", "hold")


@pytest.mark.parametrize(
    ("mode", "override", "shown"),
    [
        (classifier_pb2.ENRICHMENT_MODE_TRANSPARENT, False, "none"),
        (classifier_pb2.ENRICHMENT_MODE_ENRICHED, False, "warning, confidence 0.30, by rules"),
        (classifier_pb2.ENRICHMENT_MODE_ENRICHED, True, "noise, confidence 1.00, by override"),
    ],
)
async def test_explain_takes_the_verdict_that_would_go_with_the_alert(
    services: FakeServices, address: str, mode: classifier_pb2.EnrichmentMode.ValueType, override: bool, shown: str
) -> None:
    services.classifier.mode = mode
    if override:
        await ahctl("override", "set", "f1", "noise", "--reason", "a test", "--author", "ann", "--server", address)
    body = b'{"labels": {"alertname": "A"}, "fingerprint": "f1"}'
    finished = await ahctl("explain", "-", "--server", address, stdin=body)
    assert finished.out.splitlines()[1].split(maxsplit=1)[1] == shown
    (asked,) = services.publisher.explained
    assert asked.publication.HasField("verdict") is (shown != "none")


async def test_explain_goes_on_without_the_classifier(idle: FakeServices, address: str) -> None:
    idle.publisher.targets = [target_pb2.Target(name="pager", is_enabled=True)]
    async with idle.serving(address, "publisher"):
        finished = await ahctl("explain", "-", "--server", address, stdin=_ALERT)
    assert finished.status == 0
    assert finished.err.startswith("Warning: explained without a verdict: ")
    assert "pager   send" in finished.out


async def test_explain_of_what_nobody_knows_says_so(services: FakeServices, address: str, tmp_path: Path) -> None:
    finished = await ahctl("explain", str(tmp_path / "alert.json"), "--server", address)
    assert finished.status == 1
    assert finished.err.endswith(", and there is no such file\n")
    assert services.publisher.explained == []


async def test_rules_are_added_listed_and_deleted(services: FakeServices, address: str, tmp_path: Path) -> None:
    file = tmp_path / "conditions.json"
    file.write_text('{"namespace": ["größe"]}')
    options = ("--action", "deny", "--conditions", f"@{file}", "--priority", "7", "--target", "pager", "--disabled")
    added = await ahctl("filters", "add", "quiet", *options, "--server", address)
    assert added.out == "added: quiet (deny, priority 7, for --target pager, disabled)\n"
    await ahctl("filters", "add", "all", "--action", "allow", "--conditions", "{}", "--server", address)
    for command in (("filters",), ("filters", "list")):
        listed = await ahctl(*command, "--server", address)
        assert [row.split() for row in listed.out.splitlines()] == [
            ["PRIORITY", "RULE", "ACTION", "CONDITIONS", "TARGET", "ENABLED"],
            ["7", "quiet", "deny", '{"namespace":', '["größe"]}', "pager", "no"],
            ["100", "all", "allow", "{}", "all", "yes"],
        ]
    plain = await ahctl("filters", "--json", "--server", address)
    assert plain.json["rules"][0] == {
        "name": "quiet", "action": "deny", "conditions": {"namespace": ["größe"]}, "priority": 7, "is_enabled": False,
        "target": "pager",
    }  # fmt: skip
    wrong = await ahctl("filters", "delete", "quiet", "--server", address)
    assert (wrong.status, wrong.err) == (1, "Error: no filter rule 'quiet': there is one for --target pager\n")
    deleted = await ahctl("filters", "delete", "quiet", "--target", "pager", "--server", address)
    assert (deleted.status, deleted.out) == (0, "deleted: 1 for --target pager\n")
    assert [each.name for each in services.publisher.rules] == ["all"]
    unknown = await ahctl("filters", "delete", "quiet", "--server", address)
    assert unknown.err == "Error: no filter rule 'quiet': `ahctl filters` lists them\n"


async def test_a_rule_for_a_target_that_is_none_is_added_with_a_warning(services: FakeServices, address: str) -> None:
    options = ("--action", "deny", "--conditions", "{}", "--target", "pgaer")
    finished = await ahctl("filters", "add", "quiet", *options, "--server", address)
    assert finished.status == 0
    assert "Warning: no target pgaer is configured" in finished.err
    assert services.publisher.rules[0].target == "pgaer"


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ("[]", "--conditions: must be a JSON object"),
        ("{", "--conditions: is not JSON"),
        ('{"a": NaN}', "--conditions: is not JSON: NaN is no number of JSON"),
        ("@missing.json", "missing.json: cannot be read: No such file or directory"),
    ],
)
async def test_conditions_that_are_wrong_are_refused(
    services: FakeServices, address: str, conditions: str, problem: str
) -> None:
    finished = await ahctl("filters", "add", "x", "--action", "deny", "--conditions", conditions, "--server", address)
    assert finished.status == 1
    assert finished.err.startswith(f"Error: {problem}")
    assert services.publisher.rules == []


async def test_deliveries_are_filtered_and_say_why(services: FakeServices, address: str) -> None:
    services.publisher.deliveries = [
        delivery(5, state=delivery_pb2.DELIVERY_STATE_FILTERED, decision="rule quiet: in a test"),
        delivery(4, state=delivery_pb2.DELIVERY_STATE_SUPERSEDED, decision="resolved before", receipt="123.45"),
        delivery(3, fingerprint="b", last_result="No Route"),
        delivery(2, created_at=ago(days=3)),
    ]

    async def ids(*options: str) -> list[int]:
        finished = await ahctl("deliveries", *options, "--json", "--server", address)
        return [each["delivery_id"] for each in finished.json["deliveries"]]

    assert await ids("--state", "filtered") == [5]
    assert await ids("--state", "superseded") == [4]
    assert await ids("--alert", "b") == [3]
    assert await ids("--result", "no route") == [3]
    assert await ids("--since", "2d") == [5, 4, 3]
    assert await ids("--until", "2d") == [2]
    table = await ahctl("deliveries", "--server", address)
    assert table.out.splitlines()[0].split()[-3:] == ["LAST", "RESULT", "REASON"]
    assert table.out.splitlines()[1].rstrip().endswith("rule quiet: in a test")
    plain = await ahctl("deliveries", "--state", "superseded", "--json", "--server", address)
    assert (plain.json["deliveries"][0]["decision"], plain.json["deliveries"][0]["receipt"]) == (
        "resolved before",
        "123.45",
    )


def _states(services: FakeServices) -> list[str]:
    return [delivery_pb2.DeliveryState.Name(each.state)[15:].lower() for each in services.publisher.deliveries]


async def test_a_replay_counts_first_and_asks(services: FakeServices, address: str) -> None:
    services.publisher.deliveries = [delivery(2), delivery(1, target="chat")]
    dry = await ahctl("deliveries", "replay", "--dry-run", "--rate", "0.1", "--server", address)
    assert (dry.status, dry.err) == (0, "")
    assert dry.out == "2 dead deliveries would be sent again, 0.1 a second, within 10 seconds\n"
    refused = await ahctl("deliveries", "replay", "--server", address, stdin=b"n\n")
    unanswered = await ahctl("deliveries", "replay", "--server", address)
    for each in (refused, unanswered):
        assert (each.status, each.out) == (1, "")
        assert "Send 2 dead deliveries to all targets again, 10 a second, within a moment?" in each.err
        assert "nothing was sent again; --yes goes on without a question" in each.err
    assert _states(services) == ["dead", "dead"]
    accepted = await ahctl("deliveries", "replay", "--target", "chat", "--server", address, stdin=b"y\n")
    assert accepted.status == 0
    assert accepted.out.startswith("1 delivery pending again, the last is due now, 20")
    assert _states(services) == ["dead", "pending"]


async def test_a_replay_of_many_shares_the_rate_among_its_calls(services: FakeServices, address: str) -> None:
    delivered = delivery(9, state=delivery_pb2.DELIVERY_STATE_DELIVERED)
    services.publisher.deliveries = [delivered, *(delivery(n) for n in range(8, 0, -1))]
    finished = await ahctl("deliveries", "replay", "--yes", "--rate", "0.06", "--server", address)
    assert finished.status == 0
    assert finished.err.splitlines() == ["3 of 8 pending again", "6 of 8 pending again", "8 of 8 pending again"]
    # Three are due 50 s after one another: a third of the rate, in three calls at once.
    assert finished.out.startswith("8 deliveries pending again, the last is due in ")
    rates = [round(each.deliveries_per_second, 4) for each in services.publisher.replays if not each.is_dry_run]
    assert rates == [0.02, 0.02, 0.02]
    assert _states(services) == ["delivered"] + ["pending"] * 8
    nothing = await ahctl("deliveries", "replay", "--yes", "--json", "--server", address)
    assert nothing.json == {
        "is_dry_run": True, "dead_count": 0, "replayed_count": 0, "last_due_at": None, "has_more": False,
    }  # fmt: skip


async def test_a_replay_takes_its_filters_to_the_server(services: FakeServices, address: str) -> None:
    services.publisher.deliveries = [delivery(1)]
    options = ("--alert", "a", "--result", "Timeout", "--since", "2026-11-25", "--until", "2026-11-26T00:00:00Z")
    finished = await ahctl("deliveries", "replay", "--yes", *options, "--server", address)
    assert (finished.status, finished.out) == (0, "no such delivery is dead\n")
    (asked,) = services.publisher.replays
    assert (asked.filter.fingerprint, asked.filter.last_result_contains) == ("a", "Timeout")
    assert asked.filter.ordered_since.ToJsonString() == "2026-11-25T00:00:00Z"
    assert asked.filter.ordered_before.ToJsonString() == "2026-11-26T00:00:00Z"
    assert asked.is_dry_run


async def test_deliveries_that_die_again_are_not_replayed_without_end(services: FakeServices, address: str) -> None:
    services.publisher.deliveries = [delivery(n) for n in range(4, 0, -1)]
    found: list[Replay] = []
    async with open_client(Addresses.at(address)) as client:
        plan = await client.publishing.plan_replay()
        assert (plan.count, plan.calls) == (4, 2)
        async for each in client.publishing.replay_deliveries(plan):
            found.append(each)
            for dead in services.publisher.deliveries:
                dead.state = delivery_pb2.DELIVERY_STATE_DEAD
    assert [(each.count, each.has_more) for each in found] == [(3, True), (6, True)]


async def test_a_replay_that_breaks_off_says_how_far_it_came(services: FakeServices, address: str) -> None:
    services.publisher.deliveries = [delivery(n) for n in range(4, 0, -1)]
    services.publisher.replays_before_trouble = 1
    finished = await ahctl("deliveries", "replay", "--yes", "--server", address)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.splitlines()[-1] == (
        "Error: the fake is in trouble (3 deliveries pending again so far: run it again for the rest)"
    )
    assert _states(services) == ["dead", "pending", "pending", "pending"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("deliveries", "--target", "pager", "replay", "--yes"), "--target is of the list: give it after `replay`"),
        (("deliveries", "--alert", "a", "replay"), "--alert is of the list"),
        (("deliveries", "replay", "--rate", "0"), "0<x<=1000"),
        (("targets", "tset", "x"), "Did you mean 'test'?"),
        (("targets", "test", "x", "--timeout", "301"), "a target may take 1 to 300 seconds"),
        (("targets", "preview", "x", "--confidence", "0.5"), "say --severity, too"),
        (("filters", "add", "x", "--action", "drop", "--conditions", "{}"), "'deny'"),
        (("filters", "add", "x", "--action", "deny"), "--conditions"),
        (("filters", "add", "x", "--action", "deny", "--conditions", "{}", "--priority", "0"), "1<=x<=1000"),
        (("explain",), "FINGERPRINT|FILE|-"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_wrong_calls_exit_2_with_a_hint(arguments: Sequence[str], hint: str) -> None:
    finished = await ahctl(*arguments)
    assert finished.status == 2
    assert hint in " ".join(finished.err.split())


async def test_an_action_of_a_later_version_is_an_error_that_says_so(services: FakeServices, address: str) -> None:
    services.publisher.rules = [filter_rule_pb2.FilterRule(name="x", action=99)]  # type: ignore[arg-type]  # As it would send.
    finished = await ahctl("filters", "--server", address)
    assert finished.status == 1
    assert "update the client" in finished.err


async def test_what_the_publisher_refuses_is_told_as_it_is(services: FakeServices, address: str) -> None:
    services.error = InvalidArgumentError("the timeout must be 1 s to 5 min")
    finished = await ahctl("targets", "test", "pager", "--server", address)
    assert (finished.status, finished.err) == (1, "Error: the timeout must be 1 s to 5 min\n")
