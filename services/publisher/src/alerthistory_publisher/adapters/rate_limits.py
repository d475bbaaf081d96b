"""Rate limits, counted in Redis for all replicas, and by each for itself while Redis is away."""

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from alerthistory_common.errors import UnavailableError
from alerthistory_common.redis import RedisLink

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PREFIX = "alerthistory:publisher:rate"
_SHORTEST = timedelta(milliseconds=5)


class MovingWindows:
    """The port ``RateLimits``: at most so many within any window of a limit's length."""

    def __init__(self, link: RedisLink | None) -> None:
        self._link = link
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared: MovingWindowRateLimiter | None = None

    async def acquire(self, target: str, limits: Sequence[str]) -> timedelta:
        """Return zero when one more may be sent now, and count it; else how long to wait before asking again.

        What is sent while Redis is away counts there no more: right after it is back a limit may be passed once.
        """
        if not limits:
            return timedelta(0)
        items = [item for limit in limits for item in _items(limit)]
        if self._link is not None:
            try:
                return await self._link.call(lambda redis: _acquire(self._over(redis), items, target))
            except UnavailableError:
                pass
        return await _acquire(self._own, items, target)

    def _over(self, redis: "Redis") -> MovingWindowRateLimiter:
        if self._shared is None:
            storage = RedisStorage(
                "redis://",
                implementation="redispy",
                key_prefix=_PREFIX,
                connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # As its documentation says.
            )
            self._shared = MovingWindowRateLimiter(storage)
        return self._shared


async def _acquire(windows: MovingWindowRateLimiter, items: Sequence[RateLimitItem], target: str) -> timedelta:
    # With several, none is to count what another refuses.
    for item in items[1:] and items:
        if not await windows.test(item, target):
            return await _wait(windows, item, target)
    for item in items:
        if not await windows.hit(item, target):
            return await _wait(windows, item, target)
    return timedelta(0)


async def _wait(windows: MovingWindowRateLimiter, item: RateLimitItem, target: str) -> timedelta:
    """Return how long it takes until the oldest in the window leaves it."""
    resets_at = (await windows.get_window_stats(item, target)).reset_time
    return max(_SHORTEST, timedelta(seconds=resets_at - time.time()))


@lru_cache(maxsize=1024)
def _items(limit: str) -> list[RateLimitItem]:
    return parse_many(limit)
