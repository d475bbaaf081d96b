"""What still works while a part of the suite is away, and what is said about the rest."""

from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL

from tests.fakes.inbox import Inbox
from tests.fault_proxy import fault_proxy
from tests.payloads import alert, webhook
from tests.processes import free_ports, until
from tests.suites import Suite

_READS = ("/history", "/report", "/api/dashboard/overview")


def _post(suite: Suite, name: str) -> httpx.Response:
    return suite.http.post("/webhook", json=webhook([alert(name)]))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", ["refuse", "hang"])
def test_without_a_database_webhooks_are_taken_and_reads_say_why_not(
    folder: Path, inbox: Inbox, postgres_url: URL, fault: str
) -> None:
    targets = inbox.write_targets(folder / "targets.yaml")
    with fault_proxy(Path(str(postgres_url.query["host"])) / ".s.PGSQL.5432") as proxy:
        there = postgres_url.set(host="127.0.0.1", port=proxy.port).set(query={})
        env = {
            "ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets),
            "ALERTHISTORY_INGEST_RECORD_LIMIT_S": "1",
            "ALERTHISTORY_GATEWAY_REQUEST_TIMEOUT_S": "2",
        }
        suite = Suite(folder, form="services", database=there, env=env)
        with suite.running():
            assert suite.http.get("/history").status_code == 200
            getattr(proxy, fault)()
            assert _post(suite, "InTheDark").status_code == 200
            for path in _READS:
                answer = suite.http.get(path)
                assert answer.status_code == 503, path
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["detail"]
            assert suite.http.get("/healthz").status_code == 200
            proxy.heal()
            # An answer that was lost in the outage leaves its work to nobody until the lease ends.
            until(lambda: inbox.of("InTheDark"), within_s=100, saying="what was taken is delivered")
            until(lambda: suite.http.get("/history").status_code == 200, within_s=30, saying="reads work again")


@pytest.mark.timeout(120)
def test_without_a_publisher_alerts_are_taken_and_wait(folder: Path, inbox: Inbox) -> None:
    targets = inbox.write_targets(folder / "targets.yaml")
    (nobody,) = free_ports(1)
    suite = Suite(folder, form="services", env={"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets)})
    there = suite.env["ALERTHISTORY_PUBLISHER_GRPC_LISTEN"]
    suite.env["ALERTHISTORY_PUBLISHER_GRPC_LISTEN"] = f"127.0.0.1:{nobody}"
    with suite.running():
        answers = [_post(suite, f"Waiting{number}") for number in range(50)]
        assert {answer.status_code for answer in answers} == {200}
        assert max(answer.elapsed.total_seconds() for answer in answers) < 5, "nobody waits for the publisher"
        assert not inbox.delivered
        assert len(suite.history()) == 50
    suite.env["ALERTHISTORY_PUBLISHER_GRPC_LISTEN"] = there
    with suite.running():
        wanted = {f"Waiting{number}" for number in range(50)}
        until(lambda: {each.fingerprint for each in inbox.delivered} >= wanted, within_s=60, saying="all are delivered")


@pytest.mark.timeout(120)
def test_without_a_classifier_alerts_are_published_all_the_same(folder: Path, inbox: Inbox) -> None:
    targets = inbox.write_targets(folder / "targets.yaml")
    (nobody,) = free_ports(1)
    env = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets), "ALERTHISTORY_INGEST_CLASSIFY_TIMEOUT_S": "1"}
    suite = Suite(folder, form="services", env=env)
    suite.env["ALERTHISTORY_CLASSIFIER_GRPC_LISTEN"] = f"127.0.0.1:{nobody}"
    with suite.running():
        assert _post(suite, "Unjudged").status_code == 200
        until(lambda: inbox.of("Unjudged"), within_s=30, saying="it is published without a verdict")
