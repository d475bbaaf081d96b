"""Events that go through the pipeline."""

from dataclasses import dataclass
from datetime import timedelta

from alerthistory_common.alerts import AlertEvent, HistoryContext, Verdict

_MAX_DELAY_S = 60
_MAX_DOUBLINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one event until it runs out. ``attempt`` tells it from earlier leases of the same work."""

    work_id: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One leased event and what is known of its alert's past."""

    lease: Lease
    event: AlertEvent
    history: HistoryContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An event and the verdict on it, None when there is none."""

    event: AlertEvent
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult:
    """What came of one work. ``verdict`` is None when the alert was not judged."""

    lease: Lease
    verdict: Verdict | None


def retry_delay(attempt: int) -> timedelta:
    """Return how long work rests after its *attempt* failed: 1 s, 2 s, 4 s … 60 s."""
    doublings = min(max(attempt - 1, 0), _MAX_DOUBLINGS)
    return timedelta(seconds=min(1 << doublings, _MAX_DELAY_S))
