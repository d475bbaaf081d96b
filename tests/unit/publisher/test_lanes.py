"""Lanes: how much of a target's work is claimed, by how it answers."""

from datetime import timedelta

import pytest

from alerthistory_common.alerts import Instant
from alerthistory_publisher.application.lanes import Lane, Lanes, breaker_rules
from alerthistory_publisher.domain.outcomes import Outcome
from alerthistory_publisher.domain.targets import Target

NOW = Instant(1_000_000)
QUICKLY, SLOWLY = timedelta(milliseconds=10), timedelta(milliseconds=500)


def target(**fields: object) -> Target:
    return Target(**({"name": "ops", "format": "webhook", "url": "https://example.com"} | fields))  # type: ignore[arg-type]


@pytest.fixture
def lanes() -> Lanes:
    """Return the lanes of a publisher."""
    return Lanes(concurrency=4, ahead=10, rules=breaker_rules(open_s=60))


def fail(lane: Lane, times: int = 5) -> None:
    for _ in range(times):
        lane.breaker.admit()
        lane.answered(Outcome.TRANSIENT, took=QUICKLY)


def test_it_grows_while_answers_come_quickly_and_shrinks_at_once(lanes: Lanes) -> None:
    lane = lanes.of(target())
    assert lane.room_at(NOW) == 4
    for _ in range(20):
        lane.answered(Outcome.DELIVERED, took=QUICKLY)
    assert lane.room_at(NOW) == 10
    lane.claimed = 7
    assert lane.room_at(NOW) == 3
    lane.answered(Outcome.DELIVERED, took=SLOWLY)
    assert lane.room_at(NOW) == 0


def test_a_limited_rate_is_not_hurried(lanes: Lanes) -> None:
    for limited in (target(rate_limits=("5 per second",)), target(name="chat", format="slack")):
        lane = lanes.of(limited)
        for _ in range(20):
            lane.answered(Outcome.DELIVERED, took=QUICKLY)
        assert lane.room_at(NOW) == 4


def test_nothing_is_claimed_before_the_limits_allow_it(lanes: Lanes) -> None:
    lane = lanes.of(target())
    lane.resumes_at = Instant(NOW.micros + 1)
    assert (lane.room_at(NOW), lane.room_at(lane.resumes_at)) == (0, 4)


@pytest.mark.parametrize(("open_s", "room"), [(60, 0), (0, 1)])
def test_nothing_is_claimed_while_the_breaker_is_open_and_then_one(open_s: float, room: int) -> None:
    lane = Lanes(concurrency=4, ahead=10, rules=breaker_rules(open_s=open_s)).of(target())
    fail(lane)
    assert lane.room_at(NOW) == room
    lane.claimed = 1
    assert lane.room_at(NOW) == 0


@pytest.mark.parametrize("outcome", [Outcome.PERMANENT, Outcome.THROTTLED, Outcome.DELIVERED])
def test_only_failures_of_the_target_open_the_breaker(lanes: Lanes, outcome: Outcome) -> None:
    lane = lanes.of(target())
    for _ in range(30):
        lane.breaker.admit()
        lane.answered(outcome, took=QUICKLY)
    assert lane.room_at(NOW) > 0


def test_another_concurrency_makes_another_lane_and_keeps_the_breaker(lanes: Lanes) -> None:
    fail(lanes.of(target()))
    changed = lanes.of(target(concurrency=2))
    assert (changed.concurrency, changed.room_at(NOW)) == (2, 0)
    assert lanes.of(target(concurrency=2)) is changed
