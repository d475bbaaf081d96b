"""Leases of work: nobody takes it over while they last, and whoever wakes up late changes nothing."""

import pytest

from tests.chaos.stalled_worker import LEASE_S, stall


@pytest.mark.timeout(180)
def test_a_worker_that_wakes_up_late_changes_nothing() -> None:
    outcome = stall()
    assert not outcome.lost, str(outcome)
    assert outcome.delivered_twice == 0
    assert outcome.waited_s > LEASE_S / 2, "the leases lasted"
    assert outcome.taken_over == outcome.late == len(outcome.acknowledged) - 1
