"""Lanes: how much of one target's work is in hand, so that no target can hold up another."""

import asyncio
from datetime import timedelta

QUICK = timedelta(milliseconds=100)


class Lane:
    """One target's deliveries: at most *concurrency* are sent at a time, and at most *ahead* are claimed.

    Claiming ahead pays only while answers come quickly: it grows by one with each, and ends with the first that does
    not, because a claim that waits keeps others from it.
    """

    def __init__(self, *, concurrency: int, ahead: int) -> None:
        self.turn = asyncio.Semaphore(concurrency)
        self.claimed = 0
        self._least = concurrency
        self._most = max(ahead, concurrency)
        self._window = concurrency

    @property
    def room(self) -> int:
        """How many more may be claimed."""
        return max(0, self._window - self.claimed)

    def answered(self, *, is_delivered: bool, took: timedelta) -> None:
        """Learn from an attempt."""
        self._window = min(self._window + 1, self._most) if is_delivered and took < QUICK else self._least
