"""A breaker leaves alone what fails or is slow, and tries it carefully again."""

import pytest
from prometheus_client import CollectorRegistry

from alerthistory_common.breaker import Breaker, BreakerMetrics, BreakerRules, BreakerState

RULES = BreakerRules(window=10, min_calls=4, failures=0.5, slow=0.8, slow_s=2.0, open_s=10, max_open_s=35, trials=2)


class Hands:
    """A clock that stands still until it is turned."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds that were set."""
        return self.now


@pytest.fixture
def hands() -> Hands:
    """Return the breaker's clock."""
    return Hands()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where the breaker is measured."""
    return CollectorRegistry()


@pytest.fixture
def breaker(hands: Hands, registry: CollectorRegistry) -> Breaker:
    """Return a closed breaker."""
    return Breaker(RULES, metrics=BreakerMetrics("test", registry), monotonic=hands)


def call(breaker: Breaker, *, failed: bool = False, took_s: float = 0.1) -> bool:
    """Make a call if it is let through; return whether it was."""
    if not breaker.admit():
        return False
    breaker.record(failed=failed, took_s=took_s)
    return True


def test_few_failures_are_no_reason(breaker: Breaker) -> None:
    for failed in (True, True, True, False, False, False, False):
        call(breaker, failed=failed)
        if breaker.state is BreakerState.OPEN:
            break
    assert breaker.state is BreakerState.OPEN  # Three of four failed.


def test_a_share_below_the_limit_keeps_it_closed(breaker: Breaker) -> None:
    for number in range(50):
        call(breaker, failed=number % 5 == 0)
    assert breaker.state is BreakerState.CLOSED


def test_slow_calls_open_it_too(breaker: Breaker) -> None:
    for _ in range(4):
        call(breaker, took_s=2.0)
    assert breaker.state is BreakerState.OPEN


def test_while_it_is_open_nothing_passes(breaker: Breaker, hands: Hands, registry: CollectorRegistry) -> None:
    _open(breaker)
    hands.now = 9.9
    assert not call(breaker)
    assert registry.get_sample_value("alerthistory_test_breaker_refused_total") == 1
    assert (
        registry.get_sample_value("alerthistory_test_breaker_state", {"alerthistory_test_breaker_state": "open"}) == 1
    )


def test_then_some_calls_pass_and_close_it(breaker: Breaker, hands: Hands) -> None:
    _open(breaker)
    hands.now = 10
    assert breaker.admit()
    assert breaker.admit()
    assert not breaker.admit()
    breaker.record(failed=False, took_s=0.1)
    assert breaker.state == "half_open"
    breaker.record(failed=False, took_s=0.1)
    assert breaker.state == "closed"
    assert call(breaker, failed=True)
    assert breaker.state == "closed"  # What was before is forgotten.


def test_a_vain_trial_makes_the_next_pause_longer_up_to_a_limit(breaker: Breaker, hands: Hands) -> None:
    _open(breaker)
    for pause_s in (10, 20, 35, 35):
        hands.now += pause_s - 0.1
        assert not call(breaker, failed=True)
        hands.now += 0.1
        assert call(breaker, failed=True)


def test_a_trial_that_says_nothing_is_given_again(breaker: Breaker, hands: Hands) -> None:
    _open(breaker)
    hands.now = 10
    assert breaker.admit()
    assert breaker.admit()
    breaker.forget()
    assert breaker.admit()


def test_a_pause_that_is_asked_for_is_made(breaker: Breaker, hands: Hands) -> None:
    breaker.pause(5)
    assert not breaker.admit()
    hands.now = 5
    assert breaker.admit()


def test_an_answer_from_before_it_opened_changes_nothing(breaker: Breaker) -> None:
    assert breaker.admit()
    _open(breaker)
    breaker.record(failed=False, took_s=0.1)
    assert breaker.state is BreakerState.OPEN


def _open(breaker: Breaker) -> None:
    for _ in range(RULES.min_calls):
        call(breaker, failed=True)
    assert breaker.state is BreakerState.OPEN
