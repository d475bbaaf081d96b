"""The commands of ``ahctl``, as a user runs them, against services in memory."""

import json
import re
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.history.v1 import quarantine_pb2
from alerthistory.history.v1 import report_service_pb2 as report_pb2
from alerthistory.ingest.v1 import ingest_service_pb2 as ingest_pb2
from alerthistory.publisher.v1 import delivery_pb2, target_pb2
from alerthistory_common.errors import StoreUnavailableError
from tests.integration.client.command import ahctl
from tests.integration.client.fake_gateway import FakeGateway
from tests.integration.client.fake_services import FakeServices
from tests.integration.client.messages import HOSTILE, UNSAFE, ago, alert, delivery, event

ACCEPTED = ingest_pb2.PayloadResult(
    accepted=[
        ingest_pb2.AcceptedAlert(alert_name="A", is_firing=True, decision="fired"),
        ingest_pb2.AcceptedAlert(alert_name="B", is_firing=True, decision="repeated"),
    ]
)
PARTIAL = ingest_pb2.PayloadResult(
    accepted=ACCEPTED.accepted[:1],
    refused_count=1,
    errors=[quarantine_pb2.QuarantineError(index=1, message="labels must be an object")],
)
REJECTED = ingest_pb2.PayloadResult(rejection="alerts is missing")


async def test_send_detects_the_format_of_every_file(services: FakeServices, address: str, tmp_path: Path) -> None:
    webhook, array = tmp_path / "webhook.json", tmp_path / "array.json"
    webhook.write_bytes(b'{"alerts":[]}')
    array.write_bytes(b"[]")
    services.results = [ACCEPTED, ACCEPTED]
    finished = await ahctl("send", str(webhook), str(array), "--server", address)
    assert (finished.status, finished.err) == (0, "")
    assert finished.out == (
        f"{webhook}: 2 alerts accepted (1 fired, 1 repeated)\n{array}: 2 alerts accepted (1 fired, 1 repeated)\n"
    )
    assert [(each.body, each.format) for each in services.payloads] == [
        (b'{"alerts":[]}', ingest_pb2.PAYLOAD_FORMAT_ALERTMANAGER),
        (b"[]", ingest_pb2.PAYLOAD_FORMAT_PROMETHEUS),
    ]


async def test_send_reads_stdin_and_tells_reasons(services: FakeServices, address: str) -> None:
    services.results = [PARTIAL]
    finished = await ahctl("send", "-", "--server", address, stdin=b"{}")
    assert finished.status == 1
    assert finished.out == "stdin: 1 alert accepted (1 fired), 1 refused\n"
    assert finished.err == "  alert 1: labels must be an object\n"


async def test_send_goes_on_after_a_bad_file(services: FakeServices, address: str, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    bad.write_bytes(b'{"alerts": [}')
    good.write_bytes(b"{}")
    services.results = [ACCEPTED]
    finished = await ahctl("send", "missing.json", str(bad), str(good), str(tmp_path), "--server", address)
    assert finished.status == 1
    assert "good.json: 2 alerts accepted" in finished.out
    assert "missing.json: cannot be read: No such file or directory" in finished.err
    assert "bad.json: is not JSON: Expecting value: line 1 column 13" in finished.err
    assert "Is a directory" in finished.err
    assert len(services.payloads) == 1


async def test_send_leaves_the_judgement_to_the_server_when_the_format_is_named(
    services: FakeServices, address: str
) -> None:
    services.results = [REJECTED]
    finished = await ahctl("send", "-", "--format", "prometheus", "--server", address, "--json", stdin=b"nonsense")
    assert finished.status == 1
    assert finished.json == {
        "files": [
            {"file": "-", "accepted": [], "refused_count": 0, "errors": [], "rejection": "alerts is missing"},
        ]
    }
    assert services.payloads[0].format == ingest_pb2.PAYLOAD_FORMAT_PROMETHEUS


async def test_alerts_are_a_table_over_all_pages(services: FakeServices, address: str) -> None:
    services.alerts = [
        alert(),
        alert(alert_name="Odd", is_firing=False, ends_at=ago(hours=3), severity=0, severity_label="page"),
        alert(alert_name="Quiet", is_stale=True),
    ]
    finished = await ahctl("alerts", "--server", address)
    heading, first, second, third = finished.out.splitlines()
    assert heading.split() == ["STATE", "SEVERITY", "ALERT", "NAMESPACE", "SINCE", "LAST", "SEEN", "FINGERPRINT"]
    assert first.split("  ")[0] == "firing"
    assert "5 minutes" in first
    assert re.search(r" \d+ seconds ago ", first), "its age goes on while the command starts"
    assert "00000000000000a1" in first
    assert second.startswith("resolved  page")
    assert "3 hours" in second
    assert third.startswith("stale")


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (("--firing",), ["A", "B"]),
        (("--resolved",), ["C"]),
        (("--name", "B"), ["B"]),
        (("--namespace", "other"), ["C"]),
        (("--severity", "info"), ["B"]),
        (("--limit", "1"), ["A"]),
        ((), ["A", "B", "C"]),
    ],
    ids=" ".join,
)
async def test_alerts_are_filtered(
    services: FakeServices, address: str, filters: tuple[str, ...], names: list[str]
) -> None:
    services.alerts = [
        alert(alert_name="A"),
        alert(alert_name="B", severity=alert_pb2.SEVERITY_INFO),
        alert(alert_name="C", is_firing=False, namespace="other"),
    ]
    finished = await ahctl("--json", "--server", address, "alerts", *filters)
    assert [each["alert_name"] for each in finished.json["alerts"]] == names


async def test_json_of_alerts_has_stable_keys(services: FakeServices, address: str) -> None:
    services.alerts = [alert()]
    (shown,) = (await ahctl("alerts", "--json", "--server", address)).json["alerts"]
    assert set(shown) == {
        "fingerprint", "alert_name", "namespace", "is_firing", "is_stale", "severity", "severity_label", "starts_at",
        "ends_at", "labels", "annotations", "generator_url", "first_seen_at", "last_seen_at", "times_seen",
        "times_fired",
    }  # fmt: skip
    assert shown["labels"] == {"alertname": "HighLatency", "namespace": "shop"}
    assert shown["severity"] == "critical"


async def test_hostile_texts_are_shown_harmless(services: FakeServices, address: str) -> None:
    services.alerts = [alert(alert_name=HOSTILE, labels_json=json.dumps({"a": HOSTILE}, ensure_ascii=False).encode())]
    table = await ahctl("alerts", "--server", address)
    plain = await ahctl("alerts", "--server", address, "--json")
    for shown in (table.out, plain.out):
        assert not set(UNSAFE) & set(shown)
    assert len(table.out.splitlines()) == 2
    assert "[red]markup[/red] :boom:\\nsecond line" in table.out
    assert plain.json["alerts"][0]["labels"] == {"a": HOSTILE}


async def test_hostile_error_messages_are_shown_harmless(services: FakeServices, address: str) -> None:
    services.error = StoreUnavailableError(HOSTILE)
    finished = await ahctl("mode", "--server", address)
    assert finished.status == 1
    assert not set(UNSAFE) & set(finished.err)


async def test_events_of_one_alert_end_with_the_newest(services: FakeServices, address: str) -> None:
    closed = event("A", kind=alert_pb2.EVENT_KIND_RESOLVED, starts_at=ago(minutes=9), ends_at=ago(minutes=4))
    await services.happen(event("A"), event("Other", fingerprint="b"), event("A"), closed)
    finished = await ahctl("events", "00000000000000a1", "--limit", "2", "--server", address)
    first, second = finished.out.splitlines()
    assert " fired " in first
    assert " resolved " in second
    assert "after 5 minutes" in second
    plain = await ahctl("events", "--json", "--server", address)
    assert [each["cursor"] for each in plain.json["events"]] == ["c1", "c2", "c3", "c4"]


async def test_status_shows_every_service(services: FakeServices, address: str) -> None:
    finished = await ahctl("status", "--server", address)
    assert (finished.status, finished.err) == (0, "")
    for figure in (
        "3 of 42 alerts firing",
        "1 pending (oldest for 90 seconds)",
        "0 in quarantine",
        "sqlite, 1.2 MB",
        "2 of 64 in flight",
        "mode transparent",
        "1 of 2 targets enabled",
        "50 delivered",
        "6 dead",
    ):
        assert figure in finished.out


async def test_spool_tells_what_waits_and_fails_when_it_takes_nothing(services: FakeServices, address: str) -> None:
    empty = await ahctl("spool", "--server", address)
    assert (empty.status, empty.out) == (0, "nothing waits\n")

    services.spool = ingest_pb2.Spool(payloads=3, size_bytes=4200, oldest_age=Duration(seconds=600))
    waiting = await ahctl("spool", "--server", address)
    assert (waiting.status, waiting.out) == (0, "3 payloads of 4.2 kB waiting for history, the oldest for 10 minutes\n")
    assert "3 payloads in the spool" in (await ahctl("status", "--server", address)).out

    services.spool = ingest_pb2.Spool(payloads=3, size_bytes=4200, damaged=1, problem="the disk is full")
    broken = await ahctl("spool", "--server", address)
    assert broken.status == 1
    assert "1 payload cannot be read any more" in broken.out
    assert "it takes nothing: the disk is full" in broken.out
    plain = await ahctl("spool", "--json", "--server", address)
    assert (plain.status, plain.json["problem"], plain.json["oldest_age"]) == (1, "the disk is full", None)


async def test_status_names_services_that_do_not_answer(idle: FakeServices, address: str) -> None:
    nowhere = f"{address}.away"
    here = {f"ALERTHISTORY_CLIENT_{name}_TARGET": address for name in ("HISTORY", "INGEST", "CLASSIFIER")}
    env = here | {"ALERTHISTORY_CLIENT_PUBLISHER_TARGET": nowhere}
    async with idle.serving(address, "history", "ingest"):
        table = await ahctl("status", env=env)
        plain = await ahctl("status", "--json", env=env)
    assert (table.status, plain.status) == (1, 1)
    assert table.out.count("no answer") == 2
    assert f"nothing answers at {nowhere}" in table.err
    assert f"what answers at {address} does not offer classifier" in table.err
    found = plain.json
    assert not found["is_complete"]
    assert {name: each["is_available"] for name, each in found["services"].items()} == {
        "history": True,
        "ingest": True,
        "classifier": False,
        "publisher": False,
    }
    assert found["services"]["history"]["firing_alerts"] == 3
    assert found["services"]["publisher"]["error"]["reason"] == "NO_ANSWER"


async def test_targets_and_deliveries(services: FakeServices, address: str) -> None:
    services.publisher.targets = [
        target_pb2.Target(name="pager", format="webhook", address="https://p:443", is_enabled=True)
    ]
    services.publisher.deliveries = [
        delivery(3),
        delivery(2, state=delivery_pb2.DELIVERY_STATE_DELIVERED),
        delivery(1, target="chat"),
    ]
    targets = await ahctl("targets", "--server", address)
    assert "pager   webhook  https://p:443  yes      no" in targets.out
    table = await ahctl("deliveries", "--server", address)
    assert [line.split()[:2] for line in table.out.splitlines()[1:]] == [
        ["3", "dead"],
        ["2", "delivered"],
        ["1", "dead"],
    ]
    plain = await ahctl("deliveries", "--state", "dead", "--target", "pager", "--json", "--server", address)
    assert [each["delivery_id"] for each in plain.json["deliveries"]] == [3]


async def test_retry_of_deliveries_counts_those_that_were_dead(services: FakeServices, address: str) -> None:
    services.publisher.deliveries = [delivery(3), delivery(2, state=delivery_pb2.DELIVERY_STATE_DELIVERED)]
    finished = await ahctl("--server", address, "deliveries", "retry", "3", "2")
    assert finished.status == 1
    assert finished.out == "retrying 1 of 2\n"
    assert services.publisher.deliveries[0].state == delivery_pb2.DELIVERY_STATE_PENDING


async def test_quarantine_is_listed_and_replayed(services: FakeServices, address: str) -> None:
    error = quarantine_pb2.QuarantineError(index=-1, message=HOSTILE)
    services.quarantine = [
        quarantine_pb2.QuarantinedPayload(
            quarantine_id=number, format="alertmanager", received_at=ago(minutes=2), errors=[error], error_count=1
        )
        for number in (3, 2, 1)
    ]
    listed = await ahctl("quarantine", "list", "--server", address)
    assert [line.split()[0] for line in listed.out.splitlines()] == ["ID", "3", "2", "1"]
    assert not set(UNSAFE) & set(listed.out)
    services.results = [ACCEPTED, REJECTED]
    replayed = await ahctl("quarantine", "replay", "3", "2", "99", "--server", address)
    assert replayed.status == 1
    assert replayed.out.splitlines() == [
        "3: 2 alerts accepted (1 fired, 1 repeated)",
        "2: refused again: alerts is missing",
        "99: is not in quarantine",
    ]


async def test_mode_is_shown_and_set(services: FakeServices, address: str) -> None:
    assert (await ahctl("mode", "--server", address)).out == "transparent (from: default)\n"
    finished = await ahctl("mode", "enriched", "--json", "--server", address)
    assert finished.json == {"mode": "enriched", "source": "memory"}
    assert services.classifier.mode == classifier_pb2.ENRICHMENT_MODE_ENRICHED


async def test_the_server_comes_from_the_environment_and_the_option_goes_before_it(
    services: FakeServices, address: str
) -> None:
    assert services.classifier.mode
    from_variable = await ahctl("mode", env={"ALERTHISTORY_CLIENT_SERVER": address})
    from_option = await ahctl("mode", "--server", address, env={"ALERTHISTORY_CLIENT_CLASSIFIER_TARGET": "unix:/away"})
    from_folder = await ahctl("mode", env={"ALERTHISTORY_DATA_DIR": str(Path(address.removeprefix("unix:")).parent)})
    assert [each.status for each in (from_variable, from_option, from_folder)] == [0, 0, 0]


async def test_without_a_server_the_error_says_what_to_do(address: str) -> None:
    finished = await ahctl("alerts", "--server", address)
    assert finished.status == 1
    assert finished.err == (
        f"Error: nothing answers at {address}: is `make run` running? Name another address with --server\n"
    )


async def test_an_http_server_at_the_address_is_told_from_none() -> None:
    async with FakeGateway(400).serving() as url:
        finished = await ahctl("mode", "--server", url.removeprefix("http://"))
    assert finished.status == 1
    assert "nothing that speaks gRPC answers at 127.0.0.1:" in finished.err


async def test_a_mode_of_a_later_version_is_an_error_that_says_so(services: FakeServices, address: str) -> None:
    services.classifier.mode = 99  # type: ignore[assignment]  # What only a later version would send.
    finished = await ahctl("mode", "--server", address)
    assert finished.status == 1
    assert "update the client" in finished.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("alrets",), "Did you mean one of: 'alerts'"),
        (("alerts", "--nmae", "x"), "--name"),
        (("quarantine", "relpay", "1"), "Did you mean 'replay'?"),
        (("deliveries", "rety", "1"), "Did you mean one of: 'replay', 'retry'?"),
        (("mode", "loud"), "'transparent'"),
        (("alerts", "--server", "http://127.0.0.1:8080"), "HTTP address"),
        (("send",), "FILE"),
        (("tail", "--backlog", "1001"), "1000"),
        (("--timeout", "0", "status"), "0<x<=3600"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_wrong_calls_exit_2_with_a_hint(arguments: tuple[str, ...], hint: str) -> None:
    finished = await ahctl(*arguments)
    assert finished.status == 2
    assert hint in finished.err


async def test_wrong_settings_exit_2_and_are_all_named() -> None:
    finished = await ahctl(
        "status", env={"ALERTHISTORY_CLIENT_SERVR": "x", "ALERTHISTORY_CLIENT_INGEST_TARGET": "http://x"}
    )
    assert finished.status == 2
    assert "did you mean ALERTHISTORY_CLIENT_SERVER?" in finished.err
    assert "ALERTHISTORY_CLIENT_INGEST_TARGET: Value error, 'http://x' is an HTTP address" in finished.err


async def test_version_and_help_need_no_server() -> None:
    version, usage = await ahctl("--version"), await ahctl("--help")
    assert version.out.startswith("ahctl ")
    assert "_AHCTL_COMPLETE=bash_source" in usage.out


async def test_filters_go_to_the_server_as_they_are_meant(services: FakeServices, address: str) -> None:
    options = ("-m", 'pod=~"web-.*"', "--match", "team!=", "--search", '"is full"', "--since", "2026-11-25T14:00:00Z")
    for command in ("alerts", "history", "events"):
        finished = await ahctl(command, *options, "--until", "2026-11-26", "--server", address)
        assert (finished.status, finished.err) == (0, "")

    alerts, occurrences, events = services.filters
    assert alerts.changed_since == occurrences.started_since == events.occurred_since
    assert alerts.changed_until.ToJsonString() == "2026-11-26T00:00:00Z"
    for wanted in (alerts, occurrences, events):
        assert [(each.name, each.op, each.value) for each in wanted.matchers] == [
            ("pod", history_pb2.MATCH_OP_REGEX, "web-.*"),
            ("team", history_pb2.MATCH_OP_NOT_EQUAL, ""),
        ]
        assert wanted.search == '"is full"'


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("-m", "pod=~(", "is no regular expression"),
        ("-m", "pod", "is no matcher"),
        ("--since", "yesterday", "is no time: write 2h, 7d or"),
        ("--until", "99999999w", "is no time"),
    ],
)
async def test_wrong_filters_are_named_before_anything_is_asked(option: str, value: str, why: str) -> None:
    finished = await ahctl("history", option, value)

    assert finished.status == 2
    assert why in " ".join(finished.err.split())


async def test_all_pages_are_printed_as_they_come(services: FakeServices, address: str) -> None:
    services.alerts = [alert(fingerprint=f"{number:04}") for number in range(1234)]

    finished = await ahctl("alerts", "--all", "--json", "--server", address)

    assert [json.loads(line)["fingerprint"] for line in finished.out.splitlines()] == [
        each.fingerprint for each in services.alerts
    ]


async def test_doctor_says_what_is_wrong_and_exits_1(services: FakeServices, address: str) -> None:
    now = ago()
    services.reports["GetActivity"] = report_pb2.GetActivityResponse(
        total=report_pb2.TopAlert(fired_count=10, resolved_count=5),
        series=[report_pb2.Activity(begins_at=now, fired_count=10, resolved_count=5)],
    )
    finished = await ahctl("doctor", "--server", address)
    assert finished.status == 1
    lines = {line.split()[1]: line for line in finished.out.splitlines()}
    # 15 events today, of 300 that take 1.2 MB.
    assert "grows by about 61.7 kB a day (15 events)" in lines["retention"]
    assert "ALERTHISTORY_RETENTION_DAYS" in lines["retention"]
    assert "the oldest for 90 seconds" in lines["history"]


async def test_doctor_without_a_service_says_which(address: str) -> None:
    finished = await ahctl("doctor", "--json", "--server", "127.0.0.1:1")
    assert finished.status == 1
    found = json.loads(finished.out)
    assert [(each["about"], each["level"]) for each in found] == [
        (name, "problem") for name in ("history", "ingest", "classifier", "publisher")
    ]
