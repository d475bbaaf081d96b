"""Wait for the database a little, and leave it to its work after that."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from alerthistory_common.deadlines import budget
from alerthistory_common.errors import StoreUnavailableError

T = TypeVar("T")
_MAX_LEFT = 32
_END_LIMIT_S = 2.0


class Patience:
    """Bounds how long callers wait.

    What takes longer is not cancelled: drivers may need longer to cancel a statement than to finish it.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._left: set[asyncio.Task[Any]] = set()

    async def wait(self, work: Coroutine[Any, Any, T], *, limit_s: float) -> T:
        """Return the result of *work*; raise StoreUnavailableError when it takes longer than *limit_s*.

        Does the same at once while too much is still running that was left earlier.
        """
        if len(self._left) >= _MAX_LEFT:
            work.close()
            raise StoreUnavailableError("the database is busy with earlier work")
        # No TaskGroup: the work outlives its caller, and its failure is nobody's end. `open_patience` ends it.
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=budget(limit_s))
        if not done:
            self._left.add(task)
            raise StoreUnavailableError("the database took too long")
        return task.result()

    async def end(self) -> None:
        """Give what is still running a moment, then cancel it."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_END_LIMIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # Looked at, so that nobody warns: its caller may be gone.


@asynccontextmanager
async def open_patience() -> AsyncIterator[Patience]:
    """Yield a Patience; leaving ends what it still waits for."""
    patience = Patience()
    try:
        yield patience
    finally:
        await patience.end()
