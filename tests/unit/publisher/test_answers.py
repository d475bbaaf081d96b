"""What receivers mean by their answers."""

import json
from typing import Any

import pytest

from alerthistory_publisher.domain.answers import Page, read_answer, read_page
from alerthistory_publisher.domain.formats.choice import FORMATS
from alerthistory_publisher.domain.outcomes import Answer, Outcome, outcome_of, result_of
from tests.unit.publisher.letters import SLACK_BOT, target

WEBHOOK = target("slack", url="https://hooks.example.com/services/T0/B0/s3cret")
BOT = target("slack", url=SLACK_BOT, headers=(("Authorization", "Bearer xoxb-s3cret"),))


def answer(status: int, content: Any = b"", **overrides: Any) -> Answer:
    """Return an answer as the sender gives it."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status=status, content=raw, text=raw.decode(errors="replace")[:200], **overrides)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 429, 500, 502, 503, 504])
def test_a_failure_is_what_its_status_says(name: str, status: int) -> None:
    for to in (target(name), target(name, url=SLACK_BOT)):
        given = answer(status, {"ok": True, "ts": "1.2", "dedup_key": "k", "data": {"id": "1"}}, retry_after="7")
        found = read_answer(to, given)
        assert outcome_of(found) is outcome_of(given)
        assert (found.receipt, found.retry_after, found.status) == ("", "7", status)


@pytest.mark.parametrize("name", FORMATS)
def test_no_answer_stays_what_the_sender_says(name: str) -> None:
    for given in (Answer(outcome=Outcome.AMBIGUOUS, text="no answer within 1 s"), Answer(text="no connection")):
        assert read_answer(target(name), given) == given


@pytest.mark.parametrize("name", ["alertmanager", "rootly", "rootly-simple", "webhook"])
def test_a_success_is_delivered(name: str) -> None:
    assert outcome_of(read_answer(target(name), answer(204))) is Outcome.DELIVERED


@pytest.mark.parametrize(
    ("content", "outcome", "text"),
    [
        (b"ok", Outcome.DELIVERED, "ok"),
        (b" ok\n", Outcome.DELIVERED, " ok\n"),
        (b"invalid_payload", Outcome.PERMANENT, "Slack did not take the message: invalid_payload"),
        (b"<html>", Outcome.PERMANENT, "Slack did not take the message: <html>"),
        (b"", Outcome.AMBIGUOUS, "Slack did not say whether it took the message"),
    ],
)
def test_a_webhook_of_slack_says_ok_or_failed(content: bytes, outcome: Outcome, text: str) -> None:
    found = read_answer(WEBHOOK, answer(200, content))
    assert (outcome_of(found), found.text) == (outcome, text)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("ratelimited", Outcome.THROTTLED),
        ("internal_error", Outcome.TRANSIENT),
        ("fatal_error", Outcome.TRANSIENT),
        ("service_unavailable", Outcome.TRANSIENT),
        ("request_timeout", Outcome.TRANSIENT),
        ("channel_not_found", Outcome.PERMANENT),
        ("invalid_blocks", Outcome.PERMANENT),
        ("msg_too_long", Outcome.PERMANENT),
        ("not_in_channel", Outcome.PERMANENT),
    ],
)
def test_a_bot_of_slack_fails_with_a_success_status(error: str, outcome: Outcome) -> None:
    found = read_answer(BOT, answer(200, {"ok": False, "error": error}))
    assert outcome_of(found) is outcome
    assert result_of(found) == f"HTTP 200: Slack did not take the message: {error}"


def test_a_bot_of_slack_gives_the_message_a_receipt() -> None:
    found = read_answer(BOT, answer(200, {"ok": True, "channel": "C1", "ts": "1760000000.000100"}))
    assert (outcome_of(found), found.receipt) == (Outcome.DELIVERED, "1760000000.000100")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"ok":1}', b'{"ok":tr', b"[" * 100_000])
def test_a_bot_of_slack_that_cannot_be_understood_is_asked_again(content: bytes) -> None:
    assert outcome_of(read_answer(BOT, answer(200, content))) is Outcome.AMBIGUOUS


def test_what_slack_says_is_shown_without_secrets_on_one_line() -> None:
    found = read_answer(BOT, answer(200, {"ok": False, "error": "bad\n\x1b xoxb-s3cret " + "x" * 500}))
    assert found.text.startswith("Slack did not take the message: bad *** xxx")
    assert len(found.text) < 300


def test_slack_tells_where_a_message_is_wrong() -> None:
    metadata = {"messages": ["[ERROR] must be less than 3001 characters [json-pointer:/blocks/0]"]}
    found = read_answer(BOT, answer(200, {"ok": False, "error": "invalid_blocks", "response_metadata": metadata}))
    assert found.text.endswith("invalid_blocks [ERROR] must be less than 3001 characters [json-pointer:/blocks/0]")


@pytest.mark.parametrize("status", [200, 202])
def test_pagerduty_gives_the_key_as_receipt(status: int) -> None:
    found = read_answer(target("pagerduty"), answer(status, {"status": "success", "dedup_key": "k"}))
    assert (outcome_of(found), found.receipt) == (Outcome.DELIVERED, "k")
    assert read_answer(target("pagerduty"), answer(status, b"<html>")).receipt == ""


@pytest.mark.parametrize(
    ("content", "receipt"),
    [
        ({"data": {"id": "77ebb5fa-f11d", "type": "alerts"}}, "77ebb5fa-f11d"),
        ({"data": {"id": 5}}, "5"),
        ({"data": {"id": True}}, ""),
        ({"data": {"id": "x" * 256}}, ""),
        ({"data": {"id": "a\nb"}}, ""),
        ({"data": [{"id": "1"}]}, ""),
        ([], ""),
        (b"", ""),
    ],
)
def test_rootly_gives_the_identity_as_receipt(content: Any, receipt: str) -> None:
    found = read_answer(target("rootly-api"), answer(201, content))
    assert (outcome_of(found), found.receipt) == (Outcome.DELIVERED, receipt)


def test_a_receiver_that_is_gone_is_named() -> None:
    found = read_answer(target("webhook"), answer(410))
    assert (outcome_of(found), found.text) == (Outcome.PERMANENT, "the receiver is gone, disable the target")


def entry(key: Any, identity: Any = "1", status: str = "open") -> dict[str, Any]:
    return {"id": identity, "type": "alerts", "attributes": {"external_id": key, "status": status}}


def test_a_page_holds_the_alerts_that_are_not_resolved() -> None:
    entries = [entry("a", "1", "resolved"), entry("a", "2"), entry("a", "3"), entry("b", 4, "acknowledged")]
    assert read_page(answer(200, {"data": entries}), size=4) == Page(found={"a": "2", "b": "4"}, is_last=False)
    assert read_page(answer(200, {"data": entries}), size=5) == Page(found={"a": "2", "b": "4"}, is_last=True)


def test_a_page_leaves_out_what_is_no_alert() -> None:
    entries = [entry(None), entry("a", None), {"id": "1"}, 5, {"attributes": []}]
    assert read_page(answer(200, {"data": entries}), size=9) == Page(found={}, is_last=True)


@pytest.mark.parametrize(
    "given", [answer(200, b"<html>"), answer(200, {"data": {}}), answer(500, {"data": []}), Answer()]
)
def test_what_is_no_page_is_none(given: Answer) -> None:
    assert read_page(given, size=5) is None
