"""What is in hand is counted exactly, also when reading fails half-way."""

import pytest
from prometheus_client import CollectorRegistry

from alerthistory_gateway.admission import Admission, OverloadedError
from alerthistory_gateway.metrics import GatewayMetrics


def _admission() -> Admission:
    return Admission(max_requests=2, max_bytes=100, gauge=GatewayMetrics(CollectorRegistry()).webhooks_in_hand)


def test_requests_beyond_the_bound_are_refused_until_one_leaves() -> None:
    admission = _admission()
    with admission.admit():
        with admission.admit(), pytest.raises(OverloadedError), admission.admit():
            pass
        with admission.admit():
            pass


def test_bytes_are_given_back_also_by_a_request_that_was_refused_more() -> None:
    admission = _admission()
    with admission.admit() as ticket:
        ticket.grow(60)
        with pytest.raises(OverloadedError):
            ticket.grow(41)
    with admission.admit() as ticket:
        ticket.grow(100)
