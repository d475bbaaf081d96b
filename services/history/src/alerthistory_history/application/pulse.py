"""Tells those who wait that something was committed."""

import asyncio
import contextlib
from collections.abc import Callable


class Pulse:
    """A bell: whoever took ``next`` before a beat is woken by it. Nobody has to listen."""

    def __init__(self) -> None:
        self._next = asyncio.Event()
        self._tell: Callable[[], None] = _nobody

    def also(self, tell: Callable[[], None]) -> None:
        """Call *tell* at each beat, so that other replicas hear of it."""
        self._tell = tell

    def next(self) -> asyncio.Event:
        """Return what the next beat sets. Take it before looking for news, and nothing is missed."""
        return self._next

    def beat(self) -> None:
        """Wake everybody who waits, here and elsewhere."""
        self.wake()
        self._tell()

    def wake(self) -> None:
        """Wake everybody who waits here."""
        self._next.set()
        self._next = asyncio.Event()


def _nobody() -> None:
    """Tell nobody: this replica works on its own."""


async def heard(beat: asyncio.Event, *, within_s: float) -> None:
    """Return at the beat, or when *within_s* are over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await beat.wait()
