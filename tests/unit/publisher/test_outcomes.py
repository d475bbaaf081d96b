"""What answers mean, and what happens next."""

from datetime import timedelta

import pytest

from alerthistory_common.alerts import EventKind, Instant
from alerthistory_publisher.domain.deliveries import Claim, DeliveryState, Publication
from alerthistory_publisher.domain.outcomes import (
    Answer,
    Outcome,
    full_jitter,
    later,
    next_step,
    outcome_of,
    pause_wanted,
    sanitised,
)
from alerthistory_publisher.domain.parcels import pack
from alerthistory_publisher.domain.plan import plan
from alerthistory_publisher.domain.targets import Target
from tests.events import FIRED_AT, event

OPS = Target(name="ops", format="webhook", url="https://example.com")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def claim(*, attempt: int = 1, target: str = "ops", event_id: str = "event-1") -> Claim:
    """Return a claim on a delivery ordered when the alert fired; it is given up a day later."""
    return Claim(
        delivery_id=1,
        target=target,
        attempt=attempt,
        fence=attempt,
        publication=Publication(event=event(event_id=event_id, traceparent=TRACE)),
        ordered_at=FIRED_AT,
        give_up_at=later(FIRED_AT, timedelta(days=1)),
    )


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 201, 202, 204, 299), Outcome.DELIVERED),
        ((300, 301, 304, 308, 400, 401, 403, 404, 410, 413, 418, 422, 451), Outcome.PERMANENT),
        ((429,), Outcome.THROTTLED),
        ((408, 500, 502, 503, 504, 599), Outcome.TRANSIENT),
    ],
)
def test_every_status_has_a_class(statuses: tuple[int, ...], expected: Outcome) -> None:
    assert {outcome_of(Answer(status=status)) for status in statuses} == {expected}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("30", 30),
        (" 5 ", 5),
        ("-5", 0),
        ("soon", 0),
        ("99999999999999999999", 3600),
        ("Thu, 09 Oct 2025 08:54:20 GMT", 60),
        ("Thu, 09 Oct 2025 08:50:00 GMT", 0),
        ("Thu, 09 Oct 9999 08:50:00 GMT", 3600),
        ("٣", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(value: str, seconds: int) -> None:
    now = Instant(1_760_000_000_000_000)  # Thu, 09 Oct 2025 08:53:20 GMT
    assert pause_wanted(Answer(status=429, retry_after=value), now=now) == timedelta(seconds=seconds)


def test_backoff_doubles_up_to_five_minutes() -> None:
    longest = full_jitter(lambda: 1.0)
    assert [longest(n).total_seconds() for n in (1, 2, 3, 9, 10, 1000)] == [1, 2, 4, 256, 300, 300]
    assert full_jitter(lambda: 0.0)(7) == timedelta(0)


def test_a_failure_waits_for_the_longer_of_backoff_and_retry_after() -> None:
    for backoff_s, asked, expected in ((10, "30", 30), (60, "30", 60)):
        step = next_step(
            claim(),
            Answer(status=503, retry_after=asked),
            now=FIRED_AT,
            backoff=lambda _, wait=backoff_s: timedelta(seconds=wait),  # type: ignore[misc]
        )
        assert step.state is DeliveryState.PENDING
        assert step.due_at == later(FIRED_AT, timedelta(seconds=expected))


def test_a_delivery_too_old_for_another_attempt_is_dead_with_the_reason() -> None:
    now = later(FIRED_AT, timedelta(days=1))
    step = next_step(claim(), Answer(status=503, text="busy"), now=now, backoff=lambda _: timedelta(seconds=1))
    assert step.state is DeliveryState.DEAD
    assert step.result == "gave up, too old for another attempt; the last one: HTTP 503: busy"


def test_texts_of_receivers_are_cut_cleaned_and_free_of_secrets() -> None:
    assert sanitised("a\x00b\x1b[31m\r\n\u202ec  d", ()) == "a b [31m c d"
    assert sanitised("key=hunter2!", ("hunter2",)) == "key=***!"
    assert len(sanitised("x" * 70_000, ())) == 200


def test_a_parcel_carries_the_key_of_its_event_and_target() -> None:
    first, again = (pack(claim(attempt=n), target=OPS, now=later(FIRED_AT, timedelta(seconds=n))) for n in (1, 2))
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.body == again.body
    assert int(again.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 1
    keys = {claim().webhook_id, claim(target="other").webhook_id, claim(event_id="other").webhook_id}
    assert len(keys) == 3


def test_only_a_young_first_attempt_continues_the_trace() -> None:
    fresh = pack(claim(), target=OPS, now=FIRED_AT)
    retried = pack(claim(attempt=2), target=OPS, now=FIRED_AT)
    old = pack(claim(), target=OPS, now=later(FIRED_AT, timedelta(minutes=5)))
    assert (fresh.parent, fresh.linked) == (TRACE, "")
    assert [(each.parent, each.linked) for each in (retried, old)] == [("", TRACE)] * 2


def test_a_plan_heeds_kinds_switches_and_order() -> None:
    targets = [
        Target(name="all", format="webhook", url="http://a"),
        Target(name="quiet", format="webhook", url="http://a", sends_resolved=False),
        Target(name="off", format="webhook", url="http://a", is_enabled=False),
    ]
    told = {kind: [target.name for target in plan(event(kind=kind), targets)] for kind in EventKind}
    assert told[EventKind.FIRED] == told[EventKind.REFIRED] == ["all", "quiet"]
    assert told[EventKind.RESOLVED] == told[EventKind.EXPIRED] == ["all"]
    assert told[EventKind.START_MOVED] == told[EventKind.WENT_STALE] == told[EventKind.ANNOTATIONS_CHANGED] == []


def test_a_target_shows_no_secret() -> None:
    target = Target(
        name="ops",
        format="webhook",
        url="https://user:pa55word@example.com:8443/hooks/t0ken?key=s3cret",
        headers=(("Authorization", "Bearer hunter2"),),
    )
    assert target.address == "https://example.com:8443"
    assert not any(secret in repr(target) for secret in ("pa55word", "t0ken", "s3cret", "hunter2"))
    assert {"hunter2", "user:pa55word", "key=s3cret", "/hooks/t0ken"} <= set(target.secrets)
