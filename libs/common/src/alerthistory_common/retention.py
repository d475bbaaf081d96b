"""Deleting what is old, once a day, a bounded number of rows at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock
from alerthistory_common.errors import AlertHistoryError

_LOG = structlog.get_logger(__name__)
_AT_ONCE = 1000
_PAUSE_S = 0.05
_DAILY_S = 86_400.0
_AGAIN_S = 300.0

DeleteBefore = Callable[[Instant, int], Awaitable[int]]
"""Deletes at most so many rows that are older than a moment, and returns how many; fewer mean that none is left."""


@asynccontextmanager
async def deleting_daily(delete: DeleteBefore, *, what: str, days: int | None, clock: Clock) -> AsyncIterator[None]:
    """Delete what is older than *days* now and every day while the context lasts; None keeps everything."""
    if days is None:
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_run(delete, what, timedelta(days=days), clock))
        try:
            yield
        finally:
            task.cancel()


async def _run(delete: DeleteBefore, what: str, age: timedelta, clock: Clock) -> None:
    while True:
        try:
            deleted = await delete_before(delete, Instant(clock.now().micros - age // timedelta(microseconds=1)))
        except AlertHistoryError as error:
            _LOG.warning("retention failed, trying again", what=what, error=error.message)
            await asyncio.sleep(_AGAIN_S)
        except Exception:  # noqa: BLE001  # The outermost loop: a defect must not end the service.
            _LOG.exception("retention failed, trying again", what=what)
            await asyncio.sleep(_AGAIN_S)
        else:
            _LOG.info("what was old is deleted", what=what, rows=deleted)
            await asyncio.sleep(_DAILY_S)


async def delete_before(delete: DeleteBefore, moment: Instant, *, at_once: int = _AT_ONCE) -> int:
    """Delete all that is older than *moment*, *at_once* rows to a transaction; return how many went."""
    total = 0
    while (deleted := await delete(moment, at_once)) == at_once:
        total += deleted
        # Others get their turn between two deletions, SQLite's only writer above all.
        await asyncio.sleep(_PAUSE_S)
    return total + deleted
