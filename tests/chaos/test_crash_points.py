"""A 200 survives a crash at the steps where most is half done; ``make chaos`` crashes at all of them."""

import pytest

from alerthistory_common.crash_points import CrashPoint
from tests.chaos.crash_points import crash_at


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", ["history.committed", "publisher.sent"])
def test_what_was_acknowledged_is_stored_once_and_delivered(point: CrashPoint) -> None:
    outcome = crash_at(point, lives=1)
    assert outcome.acknowledged
    assert not outcome.lost, f"{outcome}: {sorted(outcome.lost)[:10]}"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_step_that_is_not_reached_is_no_proof() -> None:
    with pytest.raises(AssertionError, match=r"publisher\.sent is reached"):
        crash_at("publisher.sent", env={"ALERTHISTORY_INGEST_WEBHOOK": "store"}, limit_s=3, lives=1)
