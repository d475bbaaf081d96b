"""Leases of deliveries: whoever wakes up after them changes nothing."""

import pytest
from sqlalchemy import URL

from tests.chaos.stalled_publisher import IN_HANDS, stall


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_publisher_that_wakes_up_late_changes_nothing(postgres_url: URL) -> None:
    outcome = stall(postgres_url, variant="brisk")
    assert not outcome.problems, outcome.problems
    assert outcome.fenced == outcome.sent_twice == IN_HANDS, str(outcome)
    assert outcome.sent_more == 0
    assert outcome.waited_s > 2, "the leases lasted"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_without_the_fence_ended_alerts_are_told_again(postgres_url: URL) -> None:
    outcome = stall(postgres_url, variant="brisk,unfenced")
    assert any("does not fire" in each for each in outcome.problems), str(outcome)
    assert outcome.sent_more
