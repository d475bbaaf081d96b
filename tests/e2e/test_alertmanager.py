"""A real Alertmanager posts."""

from pathlib import Path

import pytest

from tests.fakes.alertmanager import alertmanager, require_alertmanager
from tests.fakes.inbox import Inbox
from tests.payloads import ago
from tests.processes import until
from tests.suites import Suite


@pytest.mark.alertmanager
def test_an_alert_posted_to_alertmanager_is_seen_delivered_and_seen_resolved(
    folder: Path, suite: Suite, inbox: Inbox
) -> None:
    require_alertmanager()
    labels = {"alertname": "DiskFull", "severity": "critical", "instance": 'é<b>&"x"\u2028'}
    with suite.running() as program, alertmanager(folder / "am", webhook=f"{suite.url}/webhook") as sender:
        sender.post(labels, annotations={"summary": "97 % full"}, startsAt=ago(minutes=2))
        (stored,) = until(suite.history, saying="the alert is in /history")
        assert (stored["alertname"], stored["status"], stored["labels"]) == ("DiskFull", "firing", labels)
        assert stored["endsAt"] == "0001-01-01T00:00:00+00:00"
        until(lambda: [each.status for each in inbox.delivered] == ["firing"], saying="the firing is delivered")

        sender.post(labels, startsAt=ago(minutes=2), endsAt=ago(seconds=0))
        until(lambda: suite.history()[0]["status"] == "resolved", saying="the alert is resolved in /history")
        until(lambda: [e.status for e in inbox.delivered] == ["firing", "resolved"], saying="the resolve is delivered")
        assert program.stop() == 0


@pytest.mark.alertmanager
def test_alertmanager_delivers_what_fired_while_we_were_away(folder: Path, suite: Suite, inbox: Inbox) -> None:
    require_alertmanager()
    suite.run("alerthistory", "migrate")
    with alertmanager(folder / "am", webhook=f"{suite.url}/webhook") as sender:
        sender.post({"alertname": "Early"}, startsAt=ago(minutes=2))
        sender.http.get("/api/v2/alerts").raise_for_status()
        with suite.running():
            until(lambda: inbox.of(str(suite.history()[0]["fingerprint"])) if suite.history() else None, within_s=30)
