"""Limits that hold although the driver does not want to stop.

Whoever cancels a query of psycopg waits until the server has ended it, up to ten seconds when the server hangs; a
second cancellation closes the connection at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PATIENCE_S = 1.0


@asynccontextmanager
async def limited(seconds: float | None) -> AsyncIterator[None]:
    """Raise TimeoutError when the block takes longer than *seconds*; None is no limit.

    Whether it is that or somebody else who cancels the task: what does not end in a second or two is cancelled again.
    """
    async with asyncio.timeout(seconds):
        insistence = _Insistence()
        try:
            yield
        finally:
            insistence.end()


class _Insistence:
    """Looks once a second whether its task was cancelled, and cancels it again if it was so the last time too."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # Coroutines run in tasks.
        self._task = task
        self._before = task.cancelling()
        self._times = 0
        self._look_again(was_cancelled=False)

    def end(self) -> None:
        """Look no more, and leave the task as cancelled as others made it."""
        self._timer.cancel()
        for _ in range(self._times):
            self._task.uncancel()

    def _look_again(self, *, was_cancelled: bool) -> None:
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._look, was_cancelled)

    def _look(self, was_cancelled: bool) -> None:  # What a timer calls.
        is_cancelled = self._task.cancelling() > self._before
        if was_cancelled and is_cancelled:
            self._times += 1
            self._task.cancel()
        self._look_again(was_cancelled=is_cancelled)
