"""The fake Slack keeps what Slack documents."""

import json
from typing import Any

import pytest

from tests.fakes import slack
from tests.fakes.provider import Request, Response
from tests.fakes.slack import Slack
from tests.fakes.slack_blocks import problem_of


def _hook(fake: Slack, message: Any, *, at: float = 0.0, path: str = slack.WEBHOOK) -> Response:
    return fake.answer(Request(method="POST", path=path, body=json.dumps(message).encode(), at=at))


def _post(fake: Slack, token: str = slack.TOKEN, **message: Any) -> dict[str, Any]:
    body = json.dumps({"channel": slack.CHANNEL, "text": "hello", **message}).encode()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = fake.answer(Request(method="POST", path=slack.POST_MESSAGE, headers=headers, body=body))
    assert answer.status == 200
    assert isinstance(answer.body, dict)
    return answer.body


def _text(length: int, kind: str = "mrkdwn") -> dict[str, str]:
    return {"type": kind, "text": "x" * length}


def test_a_webhook_takes_a_message() -> None:
    fake = Slack()
    answer = _hook(fake, {"text": "hello"})
    assert (answer.status, answer.body) == (200, "ok")
    assert "hello" in fake.model().messages[0].words


@pytest.mark.parametrize(
    ("path", "message", "expected"),
    [
        (slack.WEBHOOK, {}, (400, "no_text")),
        (slack.WEBHOOK, "not an object", (400, "invalid_payload")),
        (slack.WEBHOOK, {"blocks": [{"type": "nonsense"}]}, (400, "invalid_blocks")),
        (slack.ARCHIVED, {"text": "hello"}, (410, "channel_is_archived")),
        (slack.PROHIBITED, {"text": "hello"}, (403, "action_prohibited")),
        (slack.NO_CHANNEL, {"text": "hello"}, (404, "channel_not_found")),
        ("/services/T/B/wrong", {"text": "hello"}, (404, "no_service")),
    ],
)
def test_a_webhook_that_is_wrong_is_refused_in_a_word(path: str, message: Any, expected: tuple[int, str]) -> None:
    answer = _hook(Slack(), message, path=path)
    assert (answer.status, answer.body) == expected


def test_what_is_faster_than_the_channel_has_to_wait_for_whole_seconds() -> None:
    fake = Slack(per_second=1, burst=2)
    answers = [_hook(fake, {"text": "hello"}, at=at) for at in (10.0, 10.1, 10.2, 11.3)]
    assert [(each.status, each.headers.get("Retry-After")) for each in answers] == [
        (200, None),
        (200, None),
        (429, "1"),
        (200, None),
    ]
    assert not fake.model().violations
    assert fake.model().throttled == 1


def test_who_does_not_wait_is_remembered() -> None:
    fake = Slack(per_second=1, burst=1)
    for at in (10.0, 10.1, 10.6):
        _hook(fake, {"text": "hello"}, at=at)
    assert fake.model().violations == [0.5]
    assert len(fake.model().messages) == 1


def test_a_posted_message_can_be_answered() -> None:
    fake = Slack()
    first = _post(fake)
    assert first["ok"] is True
    assert _post(fake, thread_ts=first["ts"])["ok"] is True
    assert [each.thread_ts for each in fake.model().messages] == ["", first["ts"]]


@pytest.mark.parametrize(
    ("token", "message", "error"),
    [
        ("", {}, "not_authed"),
        ("xoxb-other", {}, "invalid_auth"),
        (slack.TOKEN, {"channel": "C1"}, "channel_not_found"),
        (slack.TOKEN, {"thread_ts": "1.0"}, "thread_not_found"),
        (slack.TOKEN, {"text": ""}, "no_text"),
        (slack.TOKEN, {"blocks": [{"type": "section"}]}, "invalid_blocks"),
    ],
)
def test_errors_of_a_post_come_with_200(token: str, message: dict[str, Any], error: str) -> None:
    assert _post(Slack(), token, **message) == {"ok": False, "error": error}


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([{"type": "section", "text": _text(3000)}], ""),
        ([{"type": "section", "text": _text(3001)}], "invalid_blocks"),
        ([{"type": "section", "text": _text(0)}], "invalid_blocks"),
        ([{"type": "header", "text": _text(150, "plain_text")}], ""),
        ([{"type": "header", "text": _text(151, "plain_text")}], "invalid_blocks"),
        ([{"type": "header", "text": _text(9)}], "invalid_blocks"),
        ([{"type": "section", "fields": [_text(1200)] * 10}], ""),
        ([{"type": "section", "fields": [_text(9)] * 11}], "invalid_blocks"),
        ([{"type": "section", "fields": [_text(2001)]}], "invalid_blocks"),
        ([{"type": "divider"}] * 50, ""),
        ([{"type": "divider"}] * 51, "invalid_blocks"),
        ([{"type": "context", "elements": [_text(9)] * 11}], "invalid_blocks"),
        ([{"type": "section", "text": _text(2600)}] * 5, ""),
        ([{"type": "section", "text": _text(2601)}] * 5, "msg_too_long"),
    ],
)
def test_blocks_have_limits(blocks: list[dict[str, Any]], expected: str) -> None:
    assert problem_of({"text": "hello", "blocks": blocks}) == expected
    assert problem_of({"attachments": [{"blocks": blocks}]}) == ("" if len(blocks) > 50 else expected)
