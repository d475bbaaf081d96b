"""Messages for Slack: readable, within Slack's limits, and nothing that an alert says can command it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerthistory_common.alerts import Fingerprint, Instant, Severity
from alerthistory_publisher.domain.formats.slack_texts import escaped, moment, shortened
from tests.events import FIRED_AT, event, verdict
from tests.unit.publisher.letters import SLACK_BOT, claim, document, ended, target

WEBHOOK = target("slack")
BOT = target("slack", url=SLACK_BOT, channel="C123")
FOLDED_AFTER = 5

ROUGH = st.one_of(
    st.text(st.characters(), max_size=300).map(lambda text: text * 30),
    st.sampled_from(["&", "<", "😀", "`", "\x00", " ", "\n", "ab" * 20_000, "&" * 3001, "😀" * 2000, "<!channel>"]),
)


def counted(text: str) -> int:
    """Return the length of *text* as JavaScript has it."""
    return len(text.encode("utf-16-le")) // 2


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [*message["blocks"], *(block for each in message["attachments"] for block in each["blocks"])]


def objects_of(value: Any) -> list[dict[str, Any]]:
    """Return all text objects in *value*."""
    if isinstance(value, list):
        return [found for each in value for found in objects_of(each)]
    if not isinstance(value, dict):
        return []
    if value.get("type") in {"plain_text", "mrkdwn"}:
        return [value]
    return [found for each in value.values() for found in objects_of(each)]


def test_a_message_says_at_a_glance_what_happened_why_and_what_to_do() -> None:
    told = event(
        labels={"alertname": "DiskFull", "namespace": "prod", "severity": "warning", "instance": "db-1"},
        annotations={"summary": "99 % full", "description": "On /var", "runbook_url": "https://run.example.com/disk"},
        generator_url="https://prometheus.example.com/graph?a=1&b=2",
    )
    said = verdict(
        severity=Severity.CRITICAL, confidence=0.95, reasoning="It fills up.", recommendations=("Clean.", "Grow.")
    )
    message = document(claim(told, said), WEBHOOK)
    header, what = message["blocks"]
    assert header == {"type": "header", "text": {"type": "plain_text", "text": "🔥 DiskFull", "emoji": False}}
    assert what["text"]["text"] == "99 % full\nOn /var"
    assert message["text"] == "FIRING: DiskFull in prod (critical)"
    (attachment,) = message["attachments"]
    assert attachment["color"] == "#FF0000"
    fields, why, todo, links, labels = attachment["blocks"]
    assert [each["text"] for each in fields["fields"]] == [
        *("*Status*", "FIRING", "*Severity*", "CRITICAL", "*Confidence*", "95%", "*Namespace*", "prod", "*Started*"),
        "<!date^1760000000^{date_short_pretty} {time_secs}|2025-10-09T08:53:20+00:00>",
    ]
    assert why["text"]["text"] == "Why: It fills up."
    assert todo["text"]["text"] == "What to do:\n• Clean.\n• Grow."
    assert links["text"]["text"] == (
        "<https://run.example.com/disk|Runbook>   <https://prometheus.example.com/graph?a=1&amp;b=2|Source>"
    )
    assert labels["elements"][0]["text"] == "instance=db-1"
    assert (message["unfurl_links"], message["unfurl_media"], message["link_names"]) == (False, False, False)


def test_the_end_of_an_alert_is_green_and_says_how_long_it_took() -> None:
    message = document(claim(ended(), verdict(severity=Severity.CRITICAL)), WEBHOOK)
    assert message["blocks"][0]["text"]["text"] == "✅ HighLatency"
    assert message["attachments"][0]["color"] == "#2EB67D"
    assert message["attachments"][0]["blocks"][0]["fields"][1]["text"] == "RESOLVED after 1 h 5 min"


def test_without_a_verdict_the_label_says_how_severe_it_is() -> None:
    fields = [
        document(claim(event(labels=labels)), WEBHOOK)["attachments"][0]["blocks"][0]["fields"][3]["text"]
        for labels in ({"severity": "page"}, {"severity": " "}, {})
    ]
    assert fields == ["PAGE", "UNKNOWN", "UNKNOWN"]


def test_no_more_is_recommended_than_somebody_reads() -> None:
    said = verdict(recommendations=(" ", *(f"step {number}" for number in range(9))))
    todo = document(claim(verdict=said), WEBHOOK)["attachments"][0]["blocks"][2]["text"]["text"]
    assert todo == "What to do:\n• step 0\n• step 1\n• step 2\n• step 3"


def test_the_same_words_are_not_said_twice() -> None:
    told = event(annotations={"summary": "Full", "description": "Full "})
    assert document(claim(told), WEBHOOK)["blocks"][1]["text"]["text"] == "Full"
    assert len(document(claim(event()), WEBHOOK)["blocks"]) == 1


def test_an_incoming_webhook_is_told_no_channel_and_no_thread() -> None:
    message = document(claim(ended(), thread="1.2"), WEBHOOK)
    assert not {"channel", "thread_ts", "reply_broadcast", "metadata"} & message.keys()


def test_a_bot_tells_of_the_end_in_the_thread_of_the_beginning() -> None:
    fired, known, unknown = claim(thread="0.1"), claim(ended(), thread="1.2"), claim(ended())
    messages = [document(each, BOT) for each in (fired, known, unknown)]
    assert [each["channel"] for each in messages] == ["C123"] * 3
    assert [each.get("thread_ts") for each in messages] == [None, "1.2", None]
    assert messages[1]["reply_broadcast"] is False
    assert messages[0]["metadata"] == {
        "event_type": "alerthistory_alert",
        "event_payload": {"webhook_id": fired.webhook_id},
    }


HOSTILE = "<!channel> <@U1> <https://evil.example.com|ok> & `code` *bold* @here :fire:"


def test_nothing_that_an_alert_says_commands_slack() -> None:
    told = event(
        labels={"alertname": HOSTILE, "namespace": HOSTILE, "severity": HOSTILE, HOSTILE: HOSTILE},
        annotations={"summary": HOSTILE, "description": HOSTILE, "runbook_url": f"https://a.example.com/{HOSTILE}"},
        generator_url="https://a.example.com/|x",
    )
    message = document(claim(told, verdict(reasoning=HOSTILE, recommendations=(HOSTILE,))), WEBHOOK)
    assert "<" not in message["text"]
    formatted = [each["text"] for each in objects_of(blocks_of(message)) if each["type"] == "mrkdwn"]
    assert formatted[-1] == "<https://a.example.com/%7Cx|Source>"
    ours = ("*Status*", "*Severity*", "*Confidence*", "*Namespace*", "*Started*")
    assert [each for each in formatted[:-1] if not each.startswith("<!date^")] == list(ours)
    assert all(each["verbatim"] for each in objects_of(blocks_of(message)) if each["type"] == "mrkdwn")
    assert not any(each["emoji"] for each in objects_of(blocks_of(message)) if each["type"] == "plain_text")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.example.com/" + "&" * 300, "https://a.example.com/ x"]
)
def test_an_address_that_is_unsafe_or_too_long_is_left_out(url: str) -> None:
    told = event(generator_url=url, annotations={"runbook_url": url})
    assert not any(
        "|" in each["text"] and "^" not in each["text"] for each in objects_of(blocks_of(document(claim(told), BOT)))
    )


@settings(max_examples=150)
@given(
    texts=st.tuples(*[ROUGH] * 7),
    is_firing=st.booleans(),
    is_judged=st.booleans(),
    recommendations=st.lists(ROUGH, max_size=9),
)
def test_all_limits_of_slack_hold_whatever_an_alert_says(
    texts: tuple[str, ...], is_firing: bool, is_judged: bool, recommendations: list[str]
) -> None:
    name, namespace, severity, value, summary, description, reasoning = texts
    labels = {"alertname": name, "namespace": namespace, "severity": severity, value: value, "instance": value}
    told = (event if is_firing else ended)(
        labels={},
        alert_name=name,
        fingerprint=Fingerprint(value),
        labels_json=json.dumps(labels).encode(),
        annotations_json=json.dumps(
            {"summary": summary, "description": description, "runbook_url": "https://a/" + value}
        ).encode(),
        generator_url="https://a.example.com/" + value,
    )
    said = verdict(reasoning=reasoning, recommendations=tuple(recommendations)) if is_judged else None
    message = document(claim(told, said, thread="1.2"), BOT)
    check_limits(message)


def check_limits(message: dict[str, Any]) -> None:
    """Assert all that facts about Slack name: see its reference of Block Kit."""
    blocks = blocks_of(message)
    texts = [each["text"] for each in objects_of(blocks)]
    assert len(blocks) <= 50
    assert len(message["attachments"][0]["blocks"]) <= FOLDED_AFTER
    assert 1 <= counted(message["text"]) <= 4000
    assert all(1 <= counted(text) <= 3000 for text in texts)
    assert counted(message["blocks"][0]["text"]["text"]) <= 150
    fields = [field for block in blocks for field in block.get("fields", ())]
    assert len(fields) <= 10
    assert all(counted(field["text"]) <= 2000 for field in fields)
    assert all(len(block.get("elements", ())) <= 10 for block in blocks)
    assert counted(message["text"]) + sum(map(counted, texts)) < 12_000
    assert counted(json.dumps(message["blocks"] + message["attachments"], ensure_ascii=False)) < 40_000


@pytest.mark.parametrize("text", ["", "abc", "😀😀😀😀😀😀", "&&&&&&&&&&", "a&b<c>d😀e&f"])
@pytest.mark.parametrize("limit", range(1, 15))
def test_a_shortened_text_is_the_longest_that_fits(text: str, limit: int) -> None:
    found = shortened(text, limit)
    if counted(text) <= limit:
        assert found == text
        return
    assert counted(found) <= limit
    kept = found.removesuffix("…")
    assert text.startswith(kept)
    assert counted(text[: len(kept) + 1] + "…") > limit
    assert counted(escaped(text, limit)) <= limit


def test_escapes_are_never_cut_in_two() -> None:
    assert escaped("<a&b>", 100) == "&lt;a&amp;b&gt;"
    assert [escaped("<<<", limit) for limit in (12, 11, 9, 8, 4)] == [
        "&lt;&lt;&lt;",
        "&lt;&lt;…",
        "&lt;&lt;…",
        "&lt;…",
        "…",
    ]


def test_a_moment_before_1970_is_shown_as_it_is() -> None:
    assert moment(Instant(-1)).startswith("1969-12-31T23:59:59")
    assert moment(FIRED_AT).startswith("<!date^1760000000^")
