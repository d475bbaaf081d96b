"""What a target would be sent, shown without sending it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from alerthistory_common.alerts import Instant
from alerthistory_common.errors import InvalidArgumentError
from alerthistory_publisher.application.previewing import Preview, Previewing
from alerthistory_publisher.application.targets import TargetDirectory, TargetNotFoundError
from alerthistory_publisher.domain.formats.choice import FORMATS
from alerthistory_publisher.domain.parcels import pack
from alerthistory_publisher.domain.probes import probe_claim, probe_of
from alerthistory_publisher.domain.target_sets import Listing
from alerthistory_publisher.domain.targets import Target
from tests.events import FIRED_AT, verdict
from tests.unit.publisher.letters import SLACK_BOT, target
from tests.unit.publisher.test_parcels import NEW

SECRETS = ("/s3cret-path-of-a-hook", "s3cret-query", "s3cret-user", "s3cret-token", "s3cret-routing", NEW)


class Clock:
    """Stands still."""

    def now(self) -> Instant:
        return FIRED_AT


class Source:
    """Names the given targets."""

    name = "file"

    def __init__(self, *targets: Target) -> None:
        self._targets = targets

    async def load(self) -> Listing:
        return Listing.of(self._targets)

    async def watch(self, hint: Callable[[], None]) -> None:
        """Never hint."""


async def preview(to: Target, alert: Any = None, **overrides: Any) -> Preview:
    directory = TargetDirectory(Source(to))
    await directory.refresh()
    content = b"" if alert is None else json.dumps(alert).encode()
    return Previewing(directory, Clock()).preview(to.name, content, **overrides)


def secretive(name: str) -> Target:
    return target(
        name,
        url="https://s3cret-user@example.com/s3cret-path-of-a-hook?key=s3cret-query",
        headers=(("Authorization", "Bearer s3cret-token"), ("X-Team", "db")),
        routing_key="s3cret-routing",
        signing_secrets=(NEW,),
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("status", ["firing", "resolved"])
async def test_a_preview_shows_no_secret_wherever_it_is(name: str, status: str) -> None:
    labels = {"alertname": "A", **{secret: f"leaked {secret}" for secret in SECRETS}}
    shown = await preview(secretive(name), {"labels": labels, "status": status}, verdict=verdict(reasoning=NEW))
    text = repr((shown.method, shown.url_shown, dict(shown.headers))) + json.dumps(json.loads(shown.body))
    assert not [secret for secret in SECRETS if secret in text]
    assert shown.url_shown.startswith("https://example.com/***")
    assert (shown.headers["Authorization"], shown.headers["X-Team"]) == ("***", "***")
    assert shown.headers["webhook-signature"] == "***"


async def test_a_short_routing_key_is_no_less_a_secret() -> None:
    shown = await preview(target("pagerduty", routing_key="abc"))
    assert json.loads(shown.body)["routing_key"] == "***"


@pytest.mark.parametrize("name", FORMATS)
async def test_a_preview_is_what_would_be_sent(name: str) -> None:
    to = target(name, url="https://example.com")
    alert = {"labels": {"alertname": "A"}}
    shown = await preview(to, alert, verdict=verdict())
    probe = probe_of(json.dumps(alert).encode(), target=to.name, at=FIRED_AT)
    sent = pack(probe_claim(probe, target=to.name, now=FIRED_AT, verdict=verdict()), target=to, now=FIRED_AT)
    assert (shown.method, shown.body, shown.headers) == (sent.method, sent.body, sent.headers)
    assert shown.url_shown == "https://example.com"


async def test_the_end_of_an_alert_is_shown_with_a_receipt() -> None:
    alert = {"labels": {"alertname": "A"}, "status": "resolved"}
    slack = await preview(target("slack", url=SLACK_BOT), alert)
    assert json.loads(slack.body)["thread_ts"] == "RECEIPT"
    assert (await preview(target("rootly-api"), alert)).method == "POST"


async def test_without_an_alert_our_own_is_shown() -> None:
    shown = json.loads((await preview(target("webhook"))).body)
    assert shown["alert"]["name"] == "TestAlert"


async def test_templates_can_be_tried() -> None:
    to = target("pagerduty", title="old", description="kept")
    shown = json.loads((await preview(to, title="new {{ alert_name }}")).body)
    assert shown["payload"]["summary"] == "new TestAlert"
    assert shown["payload"]["custom_details"]["description"] == "kept"
    shown = json.loads((await preview(to, title="")).body)
    assert shown["payload"]["summary"] == "TestAlert"


@pytest.mark.parametrize(
    ("to", "overrides", "field"),
    [
        (target("slack"), {"title": "{{ nope }}"}, "title"),
        (target("slack"), {"description": "{% set x = 1 %}"}, "description"),
        (target("slack"), {"title": "{{ 1 / labels.severity|length }}", "alert": {"labels": {}}}, "title"),
        (target("webhook"), {"title": "x"}, "title"),
        (target("slack"), {"alert": [1]}, "alert_json"),
    ],
)
async def test_what_cannot_be_used_is_refused(to: Target, overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        await preview(to, **overrides)
    assert [violation.field for violation in refusal.value.violations] == [field]


async def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(TargetNotFoundError):
        Previewing(TargetDirectory(Source()), Clock()).preview("nobody", b"")
