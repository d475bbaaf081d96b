"""A circuit breaker: what fails too often, or is too slow, is left alone for a while and then tried carefully."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Enum


class BreakerState(StrEnum):
    """Whether calls are let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """Open when, of the last *window* calls and at least *min_calls*, a share of *failures* failed or *slow* was slow.

    A call is slow from *slow_s* seconds on. Open lasts *open_s* seconds, and twice as long after each vain trial up to
    *max_open_s*; then *trials* calls are let through, and all of them must succeed.
    """

    window: int = 20
    min_calls: int = 5
    failures: float = 0.5
    slow: float = 0.8
    slow_s: float = 10.0
    open_s: float = 10.0
    max_open_s: float = 120.0
    trials: int = 2


class BreakerMetrics:
    """What is counted of the one breaker that is called *name*."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._state = Enum(
            f"alerthistory_{name}_breaker_state",
            "Whether calls are let through",
            states=[each.value for each in BreakerState],
            registry=registry,
        )
        self._refused = Counter(
            f"alerthistory_{name}_breaker_refused_total", "Calls that were not let through", registry=registry
        )

    def became(self, state: BreakerState) -> None:
        """Show the new *state*."""
        self._state.state(state.value)

    def refused(self) -> None:
        """Count a call that was not let through."""
        self._refused.inc()


class _Call(NamedTuple):
    failed: bool
    is_slow: bool


class Breaker:
    """Lets calls through, or does not. Whoever was admitted must tell the outcome by ``record`` or ``forget``."""

    def __init__(
        self,
        rules: BreakerRules,
        *,
        metrics: BreakerMetrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._metrics = metrics
        self._monotonic = monotonic
        self._calls: deque[_Call] = deque(maxlen=rules.window)
        self._state = BreakerState.CLOSED
        self._open_until = 0.0
        self._open_s = rules.open_s
        self._on_trial = 0
        self._passed = 0

    @property
    def state(self) -> BreakerState:
        """What would be said to a call now."""
        if self._state is BreakerState.OPEN and self._monotonic() >= self._open_until:
            self._begin_trial()
        return self._state

    @property
    def wait_s(self) -> float:
        """How many seconds it stays open; 0.0 when it is not."""
        return max(0.0, self._open_until - self._monotonic()) if self._state is BreakerState.OPEN else 0.0

    def admit(self) -> bool:
        """Whether a call may be made."""
        state = self.state
        if state is BreakerState.CLOSED:
            return True
        if state is BreakerState.HALF_OPEN and self._on_trial + self._passed < self._rules.trials:
            self._on_trial += 1
            return True
        if self._metrics is not None:
            self._metrics.refused()
        return False

    def record(self, *, failed: bool, took_s: float) -> None:
        """Learn how an admitted call went."""
        call = _Call(failed, took_s >= self._rules.slow_s)
        match self._state:
            case BreakerState.CLOSED:
                self._calls.append(call)
                if self._is_too_bad():
                    self._open(self._rules.open_s)
            case BreakerState.HALF_OPEN:
                self._on_trial = max(0, self._on_trial - 1)
                self._judge_trial(call)
            case BreakerState.OPEN:
                return  # Admitted before it opened.

    def forget(self) -> None:
        """Learn that an admitted call ended without saying anything about the other side."""
        self._on_trial = max(0, self._on_trial - 1)

    def pause(self, seconds: float) -> None:
        """Let nothing through for *seconds*: the other side asked for it."""
        self._open(min(seconds, self._rules.max_open_s))

    def _judge_trial(self, call: _Call) -> None:
        if call.failed or call.is_slow:
            self._open(min(2 * self._open_s, self._rules.max_open_s))
            return
        self._passed += 1
        if self._passed >= self._rules.trials:
            self._calls.clear()
            self._open_s = self._rules.open_s
            self._become(BreakerState.CLOSED)

    def _is_too_bad(self) -> bool:
        count = len(self._calls)
        if count < self._rules.min_calls:
            return False
        failed = sum(call.failed for call in self._calls)
        slow = sum(call.is_slow for call in self._calls)
        return failed >= self._rules.failures * count or slow >= self._rules.slow * count

    def _open(self, seconds: float) -> None:
        self._open_s = seconds
        self._open_until = max(self._open_until, self._monotonic() + seconds)
        self._become(BreakerState.OPEN)

    def _begin_trial(self) -> None:
        self._on_trial = self._passed = 0
        self._become(BreakerState.HALF_OPEN)

    def _become(self, state: BreakerState) -> None:
        self._state = state
        if self._metrics is not None:
            self._metrics.became(state)
