"""The caller's deadline, passed on: whoever calls further spends only what remains."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RESERVE_S = 0.05
_DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline_in(seconds: float) -> Iterator[None]:
    """Let everything in the block, and the tasks it starts, know that *seconds* remain."""
    token = _DEADLINE.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def budget(default_s: float) -> float:
    """Return the seconds a further call may take: *default_s*, or less when the caller waits for less.

    A little is kept back to answer with. Never below one millisecond: gRPC takes 0 for "no time at all".
    """
    deadline = _DEADLINE.get()
    if deadline is None:
        return default_s
    remaining = deadline - asyncio.get_running_loop().time() - _RESERVE_S
    return max(0.001, min(default_s, remaining))
