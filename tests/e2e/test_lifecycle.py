"""Starting, stopping, crashing and going on."""

import signal
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from alerthistory.history.v1 import history_service_pb2, history_service_pb2_grpc
from tests.fakes.inbox import Inbox
from tests.payloads import alert, webhook
from tests.processes import free_ports, until
from tests.suites import Suite


def _post(suite: Suite, *names: str) -> None:
    body = webhook(alert(name) for name in names)
    assert suite.http.post("/webhook", json=body).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_0_in_time_with_streams_open(suite: Suite, number: int) -> None:
    with (
        suite.running() as program,
        grpc.insecure_channel(suite.grpc["history"]) as channel,
        httpx.Client(verify=False, trust_env=False) as idle,
    ):
        idle.get(f"{suite.url}/health").raise_for_status()
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        next(health)
        tail = _history(channel).TailEvents(history_service_pb2.TailEventsRequest(backlog=1))
        _post(suite, "Before")
        assert next(tail).events
        started = time.monotonic()
        assert program.stop(number) == 0
        assert time.monotonic() - started < 8, "the grace period is 10 s; open streams must not use it up"
        with pytest.raises(grpc.RpcError):
            next(tail)


def test_a_second_start_continues_where_the_first_stopped(suite: Suite, inbox: Inbox) -> None:
    inbox.is_refusing = True
    with suite.running() as program:
        _post(suite, "Kept")
        assert program.stop() == 0
    inbox.is_refusing = False
    with suite.running():
        assert [each["fingerprint"] for each in suite.history()] == ["Kept"]
        until(lambda: inbox.of("Kept"), within_s=30, saying="the pending delivery is made")
        _post(suite, "Kept")
        _post(suite, "Marker")
        until(lambda: inbox.of("Marker"), saying="the marker is delivered")
        assert len(inbox.of("Kept")) == 1


def test_leases_of_a_killed_process_are_taken_over(folder: Path, inbox: Inbox) -> None:
    # The publisher is not there, so the work stays leased until the process dies.
    targets = inbox.write_targets(folder / "targets.yaml")
    (nobody,) = free_ports(1)
    env = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets), "ALERTHISTORY_HISTORY_LEASE_S": "3"}
    suite = Suite(folder, form="services", env={**env, "ALERTHISTORY_INGEST_PUBLISHER_TARGET": f"127.0.0.1:{nobody}"})
    with suite.running() as program:
        _post(suite, "Stuck")
        program.kill()
    suite.env["ALERTHISTORY_INGEST_PUBLISHER_TARGET"] = suite.env["ALERTHISTORY_PUBLISHER_GRPC_LISTEN"]
    with suite.running():
        until(lambda: inbox.of("Stuck"), within_s=30, saying="another replica takes the work over")
        assert len(inbox.of("Stuck")) == 1


def test_a_second_process_on_the_same_data_is_refused(suite: Suite) -> None:
    with suite.running():
        (port,) = free_ports(1)
        suite.env["ALERTHISTORY_GATEWAY_PORT"] = str(port)
        second = suite.run("alerthistory", "serve", check=False)
    assert second.returncode == 2
    assert "another Alert History runs on it" in second.stderr


def test_a_taken_port_is_named(suite: Suite, folder: Path) -> None:
    with suite.running():
        other = Suite(folder / "other", env={"ALERTHISTORY_GATEWAY_PORT": str(suite.port)})
        other.run("alerthistory", "migrate")
        second = other.run("alerthistory", "serve", check=False)
    assert second.returncode == 2
    assert "ALERTHISTORY_GATEWAY_PORT" in second.stderr
    assert str(suite.port) in second.stderr


def test_every_wrong_setting_is_named_at_once(suite: Suite) -> None:
    suite.env |= {
        "ALERTHISTORY_GATEWAY_PORT": "many",
        "ALERTHISTORY_DATADIR": "x",
        "ALERTHISTORY_HISTORY_DATABASE_URL": "mysql://x/y",
        "ALERTHISTORY_INGEST_GRPC_LISTEN": "nowhere",
        "DATABASE_URL": "sqlite:///one.sqlite3",
        "RETENTION_DAYS": "0",
    }
    names = [
        "ALERTHISTORY_GATEWAY_PORT",
        "ALERTHISTORY_DATADIR",
        "ALERTHISTORY_HISTORY_DATABASE_URL",
        "ALERTHISTORY_INGEST_GRPC_LISTEN",
        "DATABASE_URL",
        "RETENTION_DAYS",
    ]
    result = suite.run("alerthistory", "serve", check=False)
    assert result.returncode == 2
    assert [name for name in names if name not in result.stderr] == []
    assert result.stderr.count("  * ") == len(names)


def test_an_unmigrated_database_says_what_to_run(suite: Suite) -> None:
    result = suite.run("alerthistory", "serve", check=False)
    assert result.returncode == 2
    assert "migrate" in result.stderr


def test_listening_for_others_needs_a_word(suite: Suite) -> None:
    suite.run("alerthistory", "migrate")
    suite.env["ALERTHISTORY_GATEWAY_HOST"] = "0.0.0.0"
    refused = suite.run("alerthistory", "serve", check=False)
    assert refused.returncode == 2
    assert "ALERTHISTORY_AUTH=none" in refused.stderr
    suite.env["ALERTHISTORY_AUTH"] = "none"
    with suite.running() as program:
        until(lambda: "listening without authentication" in program.log.read_text(), saying="the warning is logged")


def _history(channel: Any) -> Any:
    # The stubs are typed for asyncio; this is the same service over a blocking channel.
    return history_service_pb2_grpc.HistoryServiceStub(channel)
