"""The story of the demo: its webhooks are what Alertmanagers send."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerthistory_client.demo.alertmanager import ZERO_TIME, fingerprint
from alerthistory_client.demo.scenario import SENDERS, Scenario, scenario

BEGAN_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

Told = list[tuple[datetime, dict[str, Any]]]


def _story(*, length: timedelta = timedelta(minutes=3), seed: int = 1) -> Scenario:
    return scenario(began_at=BEGAN_AT, length=length, seed=seed)


def _bodies(story: Scenario) -> Told:
    return [(BEGAN_AT + each.at, json.loads(each.body)) for each in story.deliveries]


def _first_told(story: Scenario) -> dict[str, Told]:
    """Return what the first Alertmanager told of every alert, by fingerprint."""
    told: dict[str, Told] = defaultdict(list)
    for at, body in _bodies(story):
        if body["externalURL"] == SENDERS[0]:
            for alert in body["alerts"]:
                told[alert["fingerprint"]].append((at, alert))
    return told


def _statuses(told: Told) -> list[tuple[str, str]]:
    return [(alert["status"], alert["startsAt"]) for _, alert in told]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "cbf29ce484222325"),
        ({"alertname": "T_ok", "n": "noanno"}, "8fe4cc54dee2686e"),
        ({"alertname": "T_ok", "n": "noanno", "empty": ""}, "8fe4cc54dee2686e"),
        ({"alertname": "T_ok", "instance": 'é<b>&"x"\u2028', "mode": "ok", "n": "1"}, "c2b9f409c0924884"),
    ],
)
def test_fingerprints_are_those_of_a_real_alertmanager(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("seconds", [1, 180, 3600])
def test_every_body_is_valid(seed: int, seconds: int) -> None:
    story = _story(seed=seed, length=timedelta(seconds=seconds))
    for at, body in _bodies(story):
        statuses = {alert["status"] for alert in body["alerts"]}
        assert body["version"] == "4"
        assert body["status"] == ("firing" if "firing" in statuses else "resolved")
        assert body["groupLabels"].items() <= body["commonLabels"].items()
        assert body["externalURL"] in SENDERS
        for alert in body["alerts"]:
            starts_at = datetime.fromisoformat(alert["startsAt"])
            assert alert["fingerprint"] == fingerprint(alert["labels"])
            assert body["commonLabels"].items() <= alert["labels"].items()
            assert starts_at <= at
            if alert["status"] == "firing":
                assert alert["endsAt"] == ZERO_TIME
            else:
                assert starts_at <= datetime.fromisoformat(alert["endsAt"]) <= at


def test_the_same_seed_tells_the_same_story() -> None:
    assert _story(seed=7) == _story(seed=7)
    assert _story(seed=7) != _story(seed=8)


def test_it_is_told_in_order_and_in_time() -> None:
    moments = [each.at for each in _story().deliveries]
    assert moments == sorted(moments)
    assert timedelta(0) <= moments[0]
    assert moments[-1] <= timedelta(minutes=3)


def test_the_other_alertmanager_repeats_some_of_it() -> None:
    story = _story()
    first = [{**body, "externalURL": ""} for _, body in _bodies(story) if body["externalURL"] == SENDERS[0]]
    second = [{**body, "externalURL": ""} for _, body in _bodies(story) if body["externalURL"] == SENDERS[1]]
    assert 0 < len(second) < len(first)
    assert all(body in first for body in second)


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("seconds", [1, 18, 180])
def test_the_other_alertmanager_never_tells_what_is_over(seed: int, seconds: int) -> None:
    latest: dict[str, tuple[str, str]] = {}
    for _, body in _bodies(_story(seed=seed, length=timedelta(seconds=seconds))):
        for alert in body["alerts"]:
            told = (alert["status"], alert["startsAt"])
            assert body["externalURL"] == SENDERS[0] or latest[alert["fingerprint"]] == told
            latest[alert["fingerprint"]] = told


def test_one_alert_flaps_with_new_starts() -> None:
    story = _story()
    starts = [start for status, start in _statuses(_first_told(story)[story.flapping]) if status == "firing"]
    ends = [alert["endsAt"] for _, alert in _first_told(story)[story.flapping] if alert["status"] == "resolved"]
    assert len(set(starts)) >= 4
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))


def test_one_alert_fires_again_with_its_old_start() -> None:
    story = _story()
    told = _statuses(_first_told(story)[story.refired])
    assert [status for status, _ in told] == ["firing", "resolved", "firing", "resolved"]
    assert len({start for _, start in told}) == 1


def test_one_start_moves_back() -> None:
    story = _story()
    starts = [start for _, start in _statuses(_first_told(story)[story.moved])]
    assert starts[1] < starts[0]


def test_a_watchdog_and_a_critical_alert_never_resolve() -> None:
    last = {told[-1][1]["labels"]["alertname"]: told[-1][1] for told in _first_told(_story()).values()}
    assert last["Watchdog"]["status"] == "firing"
    assert last["PostgresqlBackupMissing"]["status"] == "firing"
    assert datetime.fromisoformat(last["PostgresqlBackupMissing"]["startsAt"]) < BEGAN_AT - timedelta(hours=24)


def test_it_has_several_namespaces_and_severities_and_a_group_of_several() -> None:
    bodies = [body for _, body in _bodies(_story())]
    labels = [alert["labels"] for body in bodies for alert in body["alerts"]]
    assert len({each["namespace"] for each in labels}) >= 4
    assert {each["severity"] for each in labels} == {"critical", "warning", "info", "none"}
    assert max(len(body["alerts"]) for body in bodies) >= 4
