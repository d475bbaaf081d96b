"""Lanes: how much of one target's work is in hand, so that no target can hold up another."""

import asyncio
from datetime import timedelta

from alerthistory_common.alerts import Instant
from alerthistory_common.breaker import Breaker, BreakerRules, BreakerState
from alerthistory_publisher.domain.formats.choice import limits_of
from alerthistory_publisher.domain.outcomes import Outcome
from alerthistory_publisher.domain.targets import Target

QUICK = timedelta(milliseconds=100)
_FAILURES = frozenset({Outcome.TRANSIENT, Outcome.AMBIGUOUS})
# How slow a target is does not matter: its own timeout ends what takes too long, and then it failed.
_NEVER = 2.0


def breaker_rules(*, open_s: float) -> BreakerRules:
    """Return when a target is left alone: half of its last 20 attempts failed, or all of 5; one trial ends that."""
    return BreakerRules(window=20, min_calls=5, failures=0.5, slow=_NEVER, open_s=open_s, max_open_s=300, trials=1)


class Lane:
    """One target's deliveries: at most *concurrency* are sent at a time, and at most *ahead* are claimed.

    ``resumes_at`` is when its rate limits let something through again; what is claimed before would be handed back.

    Claiming ahead pays only while answers come quickly: it grows by one with each, and ends with the first that does
    not, because a claim that waits keeps others from it.
    """

    def __init__(self, *, concurrency: int, ahead: int, breaker: Breaker) -> None:
        self.turn = asyncio.Semaphore(concurrency)
        self.breaker = breaker
        self.claimed = 0
        self.resumes_at = Instant(0)
        self.concurrency = concurrency
        self._most = max(ahead, concurrency)
        self._window = concurrency

    def room_at(self, now: Instant) -> int:
        """Return how many more may be claimed: none before it resumes or while the breaker is open, one to try it."""
        if now < self.resumes_at:
            return 0
        match self.breaker.state:
            case BreakerState.OPEN:
                return 0
            case BreakerState.HALF_OPEN:
                return max(0, 1 - self.claimed)
            case BreakerState.CLOSED:
                return max(0, self._window - self.claimed)

    def answered(self, outcome: Outcome, *, took: timedelta) -> None:
        """Learn from an attempt that the breaker admitted."""
        is_quick = outcome is Outcome.DELIVERED and took < QUICK
        self._window = min(self._window + 1, self._most) if is_quick else self.concurrency
        if outcome is Outcome.THROTTLED:
            self.breaker.forget()
        else:
            self.breaker.record(failed=outcome in _FAILURES, took_s=took.total_seconds())


class Lanes:
    """The lanes of all targets, by name."""

    def __init__(self, *, concurrency: int, ahead: int, rules: BreakerRules) -> None:
        self._concurrency = concurrency
        self._ahead = ahead
        self._rules = rules
        self._lanes: dict[str, Lane] = {}

    def of(self, target: Target) -> Lane:
        """Return the lane of *target*, another one when its concurrency was changed. A limited rate is not hurried."""
        concurrency = target.concurrency or self._concurrency
        lane = self._lanes.get(target.name)
        if lane is None or lane.concurrency != concurrency:
            breaker = Breaker(self._rules) if lane is None else lane.breaker
            ahead = concurrency if limits_of(target) else self._ahead
            lane = self._lanes[target.name] = Lane(concurrency=concurrency, ahead=ahead, breaker=breaker)
        return lane

    def breakers(self) -> dict[str, Breaker]:
        """Return the breakers of the targets that were used, by name."""
        return {name: lane.breaker for name, lane in self._lanes.items()}
