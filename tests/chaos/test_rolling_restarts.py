"""Restarts that nobody notices, in short; ``make chaos`` does more of them."""

import signal

import pytest

from tests.chaos.rolling_restarts import run_rounds


@pytest.mark.timeout(240)
def test_a_rolling_restart_of_everything_is_not_noticed() -> None:
    outcome = run_rounds(1)
    assert outcome.traffic.errors == [], "\n".join(outcome.traffic.logged[:20])
    assert len(outcome.acknowledged) > 100
    assert not outcome.lost, str(outcome)


@pytest.mark.timeout(240)
def test_without_draining_clients_notice() -> None:
    outcome = run_rounds(1, number=signal.SIGKILL)
    assert outcome.traffic.errors
    assert not outcome.lost, str(outcome)
