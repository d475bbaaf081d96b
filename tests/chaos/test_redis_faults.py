"""Nobody notices what becomes of Redis; who needs it would."""

import pytest

from tests.chaos.redis_faults import MOST_ADDED_MS, RedisOutcome, run_faults


@pytest.fixture(scope="module")
def outcome() -> RedisOutcome:
    """Return what a short run of every fault did."""
    return run_faults(seconds=1)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_nothing_is_lost_and_nobody_notices(outcome: RedisOutcome) -> None:
    assert outcome.acknowledged
    assert not outcome.lost, f"{outcome}: {sorted(outcome.lost)[:10]}"
    assert not outcome.errors, outcome.errors[:10]
    assert outcome.added_ms <= MOST_ADDED_MS


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_who_needs_redis_feels_every_fault(outcome: RedisOutcome) -> None:
    assert outcome.felt == outcome.faults
