"""The main job through all rooms: posted, stored, judged, delivered, queried; in both forms, on both stores."""

import json
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.fakes.inbox import Inbox
from tests.payloads import ago, alert, webhook
from tests.processes import until
from tests.suites import Suite


@pytest.fixture(params=["allinone-sqlite", "allinone-postgresql", "services-sqlite", "services-postgresql"])
def any_suite(request: pytest.FixtureRequest, folder: Path, inbox: Inbox) -> Suite:
    form, store = request.param.split("-")
    database: URL | None = request.getfixturevalue("postgres_url") if store == "postgresql" else None
    targets = inbox.write_targets(folder / "targets.yaml")
    return Suite(folder, form=form, database=database, env={"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets)})


def test_an_alert_is_stored_judged_delivered_and_resolved(any_suite: Suite, inbox: Inbox) -> None:
    suite = any_suite
    start = ago(minutes=5)
    with suite.running() as program:
        posted = suite.http.post(
            "/webhook", json=webhook([alert("DiskFull", starts_at=start, severity="critical", namespace="prod")])
        )
        assert posted.json()["status"] == "success"
        assert posted.json()["processed"] == 1
        assert [(a["alertname"], a["status"]) for a in suite.history()] == [("DiskFull", "firing")]
        (firing,) = until(lambda: inbox.of("DiskFull"), saying="the firing is delivered")
        assert firing.status == "firing"
        assert firing.body["classification"]["severity"] == "critical"

        end = ago(seconds=1)
        assert (
            suite.http.post("/webhook", json=webhook([alert("DiskFull", starts_at=start, ends_at=end)])).status_code
            == 200
        )
        until(lambda: len(inbox.of("DiskFull")) == 2, saying="the resolve is delivered")
        assert inbox.of("DiskFull")[1].status == "resolved"
        assert [(a["alertname"], a["status"]) for a in suite.history()] == [("DiskFull", "resolved")]

        report = suite.http.get("/report").json()
        assert report["data"] == {"DiskFull": {"count": 1, "firing": 0, "resolved": 1}}
        assert suite.http.get("/enrichment/mode").json() == {
            "mode": "enriched",
            "source": "default",
        }
        listed = json.loads(suite.run("ahctl", "--json", "alerts").stdout)
        assert "DiskFull" in json.dumps(listed)
        assert program.stop() == 0


def test_prometheus_posts_its_alerts_itself(any_suite: Suite, inbox: Inbox) -> None:
    suite = any_suite
    lease = ago(minutes=-4)
    firing = {"labels": {"alertname": "Up", "empty": ""}, "startsAt": ago(minutes=1), "endsAt": lease}
    with suite.running():
        answer = suite.http.post("/api/v2/alerts", json=[firing])
        assert (answer.status_code, answer.content) == (200, b"")
        until(lambda: [each.status for each in inbox.delivered] == ["firing"], saying="the firing is delivered")
        resolved = {**firing, "endsAt": ago(seconds=1)}
        assert suite.http.post("/api/v2/alerts", json=[resolved]).status_code == 200
        until(
            lambda: [each.status for each in inbox.delivered] == ["firing", "resolved"],
            saying="the resolve is delivered",
        )
        assert suite.history()[0]["labels"] == {"alertname": "Up"}


def test_repetition_changes_nothing(any_suite: Suite, inbox: Inbox) -> None:
    suite = any_suite
    twice = alert("Twice", starts_at=ago(minutes=5))
    bodies = [webhook([twice], external_url=f"http://am-{peer}:9093") for peer in (1, 2)]
    with suite.running():
        for body in bodies * 5:
            assert suite.http.post("/webhook", json=body).status_code == 200
        assert suite.http.post("/webhook", json=webhook([alert("Marker")])).status_code == 200
        until(lambda: inbox.of("Marker"), saying="the marker is delivered")
        assert len(suite.history(alertname="Twice")) == 1
        assert len(inbox.of("Twice")) == 1
