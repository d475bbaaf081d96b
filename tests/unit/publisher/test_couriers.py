"""Bringing one delivery to its target, over a sender that only pretends."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from structlog.testing import capture_logs

from alerthistory_common.alerts import Fingerprint, Instant
from alerthistory_publisher.application.couriers import Courier
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.rootly_api import PAGE_SIZE
from alerthistory_publisher.domain.formats.texts import stable_key
from alerthistory_publisher.domain.outcomes import Answer, Outcome, outcome_of
from alerthistory_publisher.domain.parcels import Parcel
from alerthistory_publisher.domain.targets import Target
from tests.events import FIRED_AT, event
from tests.unit.publisher.letters import SLACK_BOT, claim, ended, target

API = target("rootly-api", url="https://api.example.com/v1/alerts")
KEY = "00000000000000a1"


class Clock:
    """Stands still."""

    def now(self) -> Instant:
        return FIRED_AT


@dataclass
class FakeSender:
    """Answers from a script, and remembers what it was given."""

    script: list[Answer]
    sent: list[tuple[Target, Parcel]] = field(default_factory=list)
    takes_s: float = 0.0

    async def send(self, target: Target, parcel: Parcel) -> Answer:
        self.sent.append((target, parcel))
        await asyncio.sleep(self.takes_s)
        return self.script.pop(0)

    @property
    def requests(self) -> list[str]:
        return [f"{parcel.method} {urlsplit(parcel.url).path}" for _, parcel in self.sent]


def said(status: int, content: Any = None, text: str = "") -> Answer:
    return Answer(status=status, content=json.dumps(content).encode(), text=text)


def page(*keys: str, status: str = "open") -> Answer:
    """Return a page of alerts that are called id-0, id-1 and so on."""
    entries = [
        {"id": f"id-{number}", "attributes": {"external_id": key, "status": status}} for number, key in enumerate(keys)
    ]
    return said(200, {"data": entries})


MADE = said(201, {"data": {"id": "id-new"}})
RESOLVED = said(200, {"data": {"id": "id-0"}})
FULL = page(*(f"other-{number}" for number in range(PAGE_SIZE)))


async def deliver(told: Claim, to: Target, *script: Answer, takes_s: float = 0.0) -> tuple[Answer, FakeSender]:
    sender = FakeSender(list(script), takes_s=takes_s)
    answer = await Courier(sender, Clock()).deliver(told, to)
    assert sender.script == []
    return answer, sender


async def test_an_answer_is_understood() -> None:
    bot = target("slack", url=SLACK_BOT)
    answer, sender = await deliver(claim(), bot, said(200, {"ok": False, "error": "ratelimited"}))
    assert outcome_of(answer) is Outcome.THROTTLED
    assert sender.requests == ["POST /api/chat.postMessage"]
    assert sender.sent[0][0] is bot


@pytest.mark.parametrize("labels", [b"{", b"[" * 100_000, b"\xff"])
async def test_an_alert_that_cannot_be_written_is_an_answer(labels: bytes) -> None:
    answer, sender = await deliver(claim(event(labels_json=labels)), target("slack"))
    assert answer == Answer(outcome=Outcome.PERMANENT, text="the alert cannot be written as slack")
    assert sender.sent == []


async def test_a_template_that_fails_is_logged_and_the_alert_is_sent() -> None:
    with capture_logs() as logs:
        answer, _ = await deliver(claim(), target("slack", title="{{ 1 / 0 }}"), said(200))
    assert outcome_of(answer) is Outcome.PERMANENT  # The body is '""', not 'ok'.
    (line,) = logs
    assert (line["log_level"], line["target"]) == ("warning", "ops")
    assert line["problem"] == "title: cannot be rendered: ZeroDivisionError"


# Rootly's API: an alert whose identity is unknown is looked for.


async def test_a_first_attempt_makes_the_alert_at_once() -> None:
    answer, sender = await deliver(claim(), API, MADE)
    assert (outcome_of(answer), answer.receipt) == (Outcome.DELIVERED, "id-new")
    assert sender.requests == ["POST /v1/alerts"]


async def test_an_alert_that_an_earlier_attempt_made_is_not_made_again() -> None:
    answer, sender = await deliver(claim(attempt=2), API, page("other", KEY))
    assert (outcome_of(answer), answer.receipt) == (Outcome.DELIVERED, "id-1")
    assert answer.text == "it was there: the answer to an earlier attempt was lost"
    assert sender.requests == ["GET /v1/alerts"]


@pytest.mark.parametrize("looked", [page(), page("other"), page(KEY, status="resolved")])
async def test_an_alert_that_no_earlier_attempt_made_is_made(looked: Answer) -> None:
    answer, sender = await deliver(claim(attempt=2), API, looked, MADE)
    assert answer.receipt == "id-new"
    assert sender.requests == ["GET /v1/alerts", "POST /v1/alerts"]


async def test_an_alert_is_resolved_under_the_identity_of_its_beginning() -> None:
    answer, sender = await deliver(claim(ended(), thread="id-0"), API, RESOLVED)
    assert outcome_of(answer) is Outcome.DELIVERED
    assert sender.requests == ["POST /v1/alerts/id-0/resolve"]


async def test_an_alert_of_unknown_identity_is_found_and_resolved() -> None:
    answer, sender = await deliver(claim(ended()), API, FULL, page("other", KEY), RESOLVED)
    assert outcome_of(answer) is Outcome.DELIVERED
    assert sender.requests == ["GET /v1/alerts", "GET /v1/alerts", "POST /v1/alerts/id-1/resolve"]
    asked = [dict(parse_qsl(urlsplit(parcel.url).query)) for _, parcel in sender.sent[:2]]
    assert asked[0] == {
        "filter[source]": "api",
        "filter[started_at][gte]": "2025-10-09T08:53:19+00:00",
        "filter[started_at][lte]": "2025-10-09T08:53:21+00:00",
        "page[number]": "1",
        "page[size]": "5",
    }
    assert asked[1]["page[number]"] == "2"


async def test_nothing_more_is_asked_once_the_alert_is_found() -> None:
    full = page(KEY, *(f"other-{number}" for number in range(PAGE_SIZE - 1)))
    answer, _ = await deliver(claim(attempt=2), API, full)
    assert answer.receipt == "id-0"


async def test_what_the_receiver_does_not_have_needs_no_resolving() -> None:
    answer, sender = await deliver(claim(ended()), API, FULL, page("other"))
    assert outcome_of(answer) is Outcome.DELIVERED
    assert answer.text == "nothing to resolve: the target does not have this alert open"
    assert len(sender.sent) == 2


async def test_an_alert_is_looked_for_under_the_key_that_it_was_made_under() -> None:
    long = Fingerprint("x" * 300)
    answer, _ = await deliver(claim(event(fingerprint=long), attempt=2), API, page(stable_key(long)))
    assert answer.receipt == "id-0"


@pytest.mark.parametrize("told", [claim(attempt=2), claim(ended())])
@pytest.mark.parametrize(
    ("looked", "outcome"),
    [
        (said(429, text="slow down"), Outcome.THROTTLED),
        (said(503, text="slow down"), Outcome.TRANSIENT),
        (Answer(outcome=Outcome.AMBIGUOUS, text="slow down"), Outcome.TRANSIENT),
    ],
)
async def test_a_lookup_that_fails_for_now_is_tried_again(told: Claim, looked: Answer, outcome: Outcome) -> None:
    answer, sender = await deliver(told, API, looked)
    assert (outcome_of(answer), answer.text) == (outcome, "the alert cannot be looked up: slow down")
    assert len(sender.sent) == 1


@pytest.mark.parametrize("looked", [[said(403)], [said(200, "?")], [FULL] * 10])
async def test_an_alert_that_cannot_be_looked_for_is_made(looked: Sequence[Answer]) -> None:
    answer, sender = await deliver(claim(attempt=2), API, *looked, MADE)
    assert answer.receipt == "id-new"
    assert len(sender.sent) == len(looked) + 1


@pytest.mark.parametrize(
    ("looked", "reason"),
    [
        ([said(403)], ""),
        ([said(200, "?")], ": the answer cannot be read"),
        ([FULL] * 10, ": there are too many alerts that began with it"),
    ],
)
async def test_an_alert_that_cannot_be_looked_for_is_not_resolved(looked: Sequence[Answer], reason: str) -> None:
    answer, sender = await deliver(claim(ended()), API, *looked)
    assert (outcome_of(answer), answer.text) == (Outcome.PERMANENT, f"the alert cannot be looked up{reason}")
    assert not [request for request in sender.requests if request.startswith("POST")]


async def test_all_requests_of_a_delivery_share_the_timeout() -> None:
    patient = target("rootly-api", timeout_s=10.0)
    _, sender = await deliver(claim(attempt=2), patient, page(), MADE, takes_s=0.01)
    first, second = (to.timeout_s for to, _ in sender.sent)
    assert first == 10.0
    assert 9.0 < second <= 9.99


async def test_a_delivery_that_has_no_time_left_sends_nothing_more() -> None:
    answer, sender = await deliver(claim(attempt=2), target("rootly-api", timeout_s=0.1), page(), takes_s=0.1)
    assert (outcome_of(answer), answer.text) == (Outcome.TRANSIENT, "no time left of 0.1 s")
    assert sender.requests == ["GET /hooks/s3cret-path"]
