"""A target that hangs keeps its own line busy, and no other's."""

import pytest

from tests.chaos.hanging_target import LIMIT_S, measure


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_hanging_target_does_not_delay_others() -> None:
    waits = measure(4)
    assert waits.sent_to_hanging
    assert not waits.missing
    assert waits.p99_s < LIMIT_S, str(waits)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_in_one_line_with_it_they_wait() -> None:
    waits = measure(1, variant="shared-lane")
    assert waits.p99_s > LIMIT_S, str(waits)
    assert waits.missing
