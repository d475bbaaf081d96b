"""The main job through all rooms: posted, stored, judged, delivered, queried; in both forms, on both stores."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from tests.fakes.inbox import Inbox, open_inbox, write_targets
from tests.payloads import ago, alert, captured_webhooks, webhook
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


def test_redelivery_changes_nothing(any_suite: Suite, folder: Path, inbox: Inbox) -> None:
    captured = [each for body in captured_webhooks() for each in body["alerts"]]
    transitions = Counter({(each["fingerprint"], each["status"]) for each in captured})
    occurrences = {(each["fingerprint"], each["startsAt"]) for each in captured}
    with open_inbox() as audit:
        write_targets(folder / "targets.yaml", ops=inbox, audit=audit)
        with any_suite.running():
            _deliver_again_and_again(any_suite)
            assert _transitions(any_suite) == transitions
            assert len(any_suite.history(limit=1000)) == len(occurrences)
            _post_marker_and_wait(any_suite, inbox, audit)
        for box in (inbox, audit):
            delivered = Counter((each.fingerprint, each.status) for each in box.delivered)
            assert delivered == transitions + Counter({("Marker", "firing"): 1})


def test_without_the_hold_window_redelivery_makes_episodes(suite: Suite) -> None:
    suite.env |= {"ALERTHISTORY_HISTORY_HOLD_WINDOW_S": "0", "ALERTHISTORY_HISTORY_SETTLE_INTERVAL_S": "0.05"}
    with suite.running():
        _deliver_again_and_again(suite)
        found = _transitions(suite)
    assert max(found.values()) > 1


def test_a_later_start_after_the_resolve_is_a_new_episode(suite: Suite, inbox: Inbox) -> None:
    start = ago(minutes=5)
    with suite.running():
        for each in (
            alert("Again", starts_at=start),
            alert("Again", starts_at=start, ends_at=ago(minutes=3)),
            alert("Again", starts_at=ago(minutes=1)),
        ):
            _post_at_once(suite, [webhook([each])] * 32)
        assert _transitions(suite) == {("Again", "firing"): 2, ("Again", "resolved"): 1}
        assert len(suite.history(alertname="Again")) == 2
        _post_marker_and_wait(suite, inbox)
    assert [each.status for each in inbox.of("Again")] == ["firing", "resolved", "firing"]


def _deliver_again_and_again(suite: Suite) -> None:
    """Post all that was captured in its order, twice over: each body 16 times for either of two peers, all at once."""
    for body in captured_webhooks() * 2:
        _post_at_once(suite, [{**body, "externalURL": f"http://am-{peer}:9093"} for peer in (1, 2)] * 16)


def _post_at_once(suite: Suite, bodies: list[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(len(bodies)) as tasks:
        answers = tasks.map(lambda body: suite.http.post("/webhook", json=body).status_code, bodies)
        assert set(answers) == {200}


def _post_marker_and_wait(suite: Suite, *inboxes: Inbox) -> None:
    """Return when all that was posted is delivered, for whatever was posted before the marker is known by then."""
    _post_at_once(suite, [webhook([alert("Marker")])])
    until(lambda: all(inbox.of("Marker") for inbox in inboxes), saying="the marker is delivered")
    until(lambda: not _ahctl(suite, "deliveries", "--state", "pending"), saying="nothing waits to be delivered")


def _transitions(suite: Suite) -> Counter[tuple[str, str]]:
    """Return how often each alert began to fire, and was resolved."""
    status = {"fired": "firing", "refired": "firing", "resolved": "resolved"}
    events = _ahctl(suite, "events")
    return Counter((each["fingerprint"], status[each["kind"]]) for each in events if each["kind"] in status)


def _ahctl(suite: Suite, *words: str) -> list[dict[str, Any]]:
    output = suite.run("ahctl", "--json", *words, "--limit", "1000").stdout
    (found,) = json.loads(output).values()
    return list(found)
