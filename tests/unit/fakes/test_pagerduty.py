"""The fake PagerDuty keeps what PagerDuty documents."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.fakes.pagerduty import PATH, ROUTING_KEY, PagerDuty
from tests.fakes.provider import Request, Response


def _event(action: str, key: str = "a", **payload: Any) -> dict[str, Any]:
    return {
        "routing_key": ROUTING_KEY,
        "event_action": action,
        "dedup_key": key,
        "payload": {"summary": f"{key} fires", "source": "shop", "severity": "critical", **payload},
    }


def _send(fake: PagerDuty, event: dict[str, Any], *, at: float = 0.0) -> Response:
    return fake.answer(Request(method="POST", path=PATH, body=json.dumps(event).encode(), at=at))


def test_a_trigger_opens_an_alert_and_the_next_one_attaches() -> None:
    fake = PagerDuty()
    answers = [_send(fake, _event("trigger")) for _ in range(2)]
    assert [(each.status, each.body) for each in answers] == [
        (202, {"status": "success", "message": "Event processed", "dedup_key": "a"})
    ] * 2
    assert [(each.dedup_key, each.triggers, each.is_open) for each in fake.model().incidents] == [("a", 2, True)]


def test_a_trigger_after_the_resolve_opens_a_new_alert() -> None:
    fake = PagerDuty()
    for action in ("trigger", "resolve", "trigger"):
        _send(fake, _event(action))
    assert [each.is_open for each in fake.model().incidents] == [False, True]


def test_a_resolve_without_an_open_alert_is_dropped_and_a_late_trigger_stays_open() -> None:
    fake = PagerDuty()
    assert _send(fake, _event("resolve")).status == 202
    _send(fake, _event("trigger"))
    model = fake.model()
    assert model.dropped == 1
    assert [each.dedup_key for each in model.zombies(firing=set())] == ["a"]
    assert not model.zombies(firing={"a"})


def test_more_incidents_than_episodes_are_doubles() -> None:
    fake = PagerDuty()
    for action in ("trigger", "resolve", "trigger"):
        _send(fake, _event(action))
    assert fake.model().doubles(Counter({"a": 1})) == ["a"]
    assert not fake.model().doubles(Counter({"a": 2}))


def test_keys_are_those_of_one_integration() -> None:
    fake = PagerDuty()
    _send(fake, _event("trigger"))
    _send(fake, {**_event("resolve"), "routing_key": ROUTING_KEY[::-1]})
    assert [each.is_open for each in fake.model().incidents] == [True]


def test_what_comes_too_often_is_refused_and_not_kept_until_the_window_has_moved_on() -> None:
    fake = PagerDuty(limit=2, window_s=60)
    answers = [_send(fake, _event("trigger", key), at=at) for key, at in [("a", 0), ("b", 30), ("c", 59), ("c", 60)]]
    assert [each.status for each in answers] == [202, 202, 429, 202]
    assert [each.dedup_key for each in fake.model().incidents] == ["a", "b", "c"]
    assert fake.model().throttled == 1


def test_each_integration_has_a_limit_of_its_own() -> None:
    fake = PagerDuty(limit=1)
    events = [{**_event("trigger"), "routing_key": key} for key in (ROUTING_KEY, ROUTING_KEY[::-1], ROUTING_KEY)]
    assert [_send(fake, event).status for event in events] == [202, 202, 429]


@pytest.mark.parametrize(
    "wrong",
    [
        {**_event("trigger"), "routing_key": "short"},
        {**_event("trigger"), "event_action": "fire"},
        _event("trigger", "k" * 256),
        _event("trigger", summary="s" * 1025),
        _event("trigger", summary=""),
        _event("trigger", severity="page"),
        {"routing_key": ROUTING_KEY, "event_action": "resolve"},
        _event("trigger", custom_details="d" * 512 * 1024),
    ],
)
def test_an_event_that_is_wrong_is_refused_with_reasons(wrong: dict[str, Any]) -> None:
    fake = PagerDuty()
    answer = _send(fake, wrong)
    assert answer.status == 400
    assert isinstance(answer.body, dict)
    assert answer.body["errors"]
    assert not fake.model().incidents
