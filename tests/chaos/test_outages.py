"""A 200 survives PostgreSQL crashing under load, and ``kill -9`` of all programs before it is back."""

import random

import pytest

from tests.chaos.outages import ON_THEIR_WAY, run_outages


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_is_acknowledged_during_outages_is_stored_once_and_delivered() -> None:
    seed = random.SystemRandom().randrange(2**32)
    outcome = run_outages(2, seconds=4, seed=seed)
    assert outcome.in_outages > 100
    assert not outcome.lost, f"seed {seed}: {outcome}: {sorted(outcome.lost)[:10]}"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_without_the_spool_nothing_is_acknowledged_during_an_outage() -> None:
    outcome = run_outages(1, seconds=4, seed=1, env={"ALERTHISTORY_INGEST_SPOOL_MAX_BYTES": "0"})
    assert outcome.acknowledged
    assert outcome.in_outages <= ON_THEIR_WAY, "what was on its way when PostgreSQL crashed, and no more"
    assert not outcome.lost
