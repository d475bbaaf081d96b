"""A 200 survives ``kill -9``."""

import os
import random

import pytest

from tests.e2e.kill_rounds import run_rounds

_ROUNDS = int(os.environ.get("KILL_ROUNDS", "12"))


@pytest.mark.slow
@pytest.mark.timeout(60 + 10 * _ROUNDS)
def test_acknowledged_alerts_survive_kills_exactly_once_and_are_delivered() -> None:
    seed = random.SystemRandom().randrange(2**32)
    outcome = run_rounds(_ROUNDS, seed=seed)
    assert outcome.acknowledged, "nothing was acknowledged: the test proves nothing"
    assert not outcome.lost, f"seed {seed}: {outcome}: {sorted(outcome.lost)[:10]}"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_without_the_one_transaction_the_same_rounds_lose_alerts() -> None:
    outcome = run_rounds(6, seed=1, env={"ALERTHISTORY_HISTORY_TEST_SPLIT_COMMIT": "true"})
    assert outcome.acknowledged
    assert outcome.lost, "the negative control lost nothing: the test cannot fail"
