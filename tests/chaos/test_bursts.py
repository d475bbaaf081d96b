"""Providers' rates are kept; ``python -m tests.chaos.bursts`` does it with the real ones."""

from dataclasses import replace

import pytest

from tests.chaos.bursts import QUICK, burst


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_burst_is_delivered_at_the_rates_that_providers_take() -> None:
    outcome = burst(QUICK)
    assert outcome.is_kept, str(outcome)
    assert outcome.seconds > QUICK.alerts / QUICK.slack_per_second * 0.8, "it was slowed down"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_without_the_rates_pauses_are_not_kept() -> None:
    outcome = burst(replace(QUICK, alerts=30), is_limited=False)
    assert outcome.violations
    assert outcome.delivered == 2 * outcome.alerts, "what was throttled is sent again"
