"""A cache of two levels: this process's memory, and Redis for all replicas. An error is a miss, never a failure."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from cachetools import TLRUCache
from prometheus_client import CollectorRegistry, Counter

from alerthistory_common.errors import UnavailableError
from alerthistory_common.redis import RedisLink

if TYPE_CHECKING:
    from redis.asyncio import Redis

V = TypeVar("V")
_RESULTS = ("memory", "redis", "miss", "error")
_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[V]):
    """Writes a value as bytes, and reads it back; *read* raises ValueError for bytes that are no such value."""

    write: Callable[[V], bytes]
    read: Callable[[bytes], V]


class _Kept(NamedTuple, Generic[V]):
    value: V
    ends_at: float


class Cache(Generic[V]):
    """Values of one kind, by key; made by ``open_cache``.

    A value lives for *ttl_s* of it, in both levels together; one that lives for no time is given to those who wait and
    then forgotten. Memory holds *max_items*, and forgets what was used longest ago. Callers of one key at one time
    share one making; with *claim_s*, those on other replicas do too, unless it takes longer than that.
    """

    def __init__(
        self,
        name: str,
        codec: Codec[V],
        *,
        ttl_s: Callable[[V], float],
        max_items: int,
        registry: CollectorRegistry,
        link: RedisLink | None = None,
        claim_s: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = f"alerthistory:cache:{name}:"
        self._codec = codec
        self._ttl_s = ttl_s
        self._link = link
        self._claim_s = claim_s
        self._monotonic = monotonic
        self._memory: TLRUCache[str, _Kept[V]] = TLRUCache(max_items, lambda _, kept, __: kept.ends_at, monotonic)
        self._making: dict[str, asyncio.Task[V]] = {}
        self._lookups = Counter(
            f"alerthistory_{name}_cache_lookups_total",
            "Lookups, by where the value was found: memory, redis, or nowhere",
            ["result"],
            registry=registry,
        )
        for result in _RESULTS:
            self._lookups.labels(result)

    async def get(self, key: str, make: Callable[[], Awaitable[V]]) -> V:
        """Return the value of *key*, from a level or made by *make*, whose errors are raised to all who wait.

        A caller that is cancelled does not take the value from the others, nor from the cache.
        """
        if (found := self._memory.get(key)) is not None:
            self._lookups.labels("memory").inc()
            return found.value
        task = self._making.get(key)
        if task is None:
            # No TaskGroup: the making outlives its caller, and its failure is nobody's end. `open_cache` ends it.
            task = self._making[key] = asyncio.get_running_loop().create_task(self._find_or_make(key, make))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def renew(self, key: str, make: Callable[[], Awaitable[V]]) -> V:
        """Return a new value of *key*, and keep it in place of the one that was there."""
        value = await make()
        await self._keep(key, value)
        return value

    async def end(self) -> None:
        """Cancel what is being made."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    def _forget(self, key: str, done: asyncio.Task[V]) -> None:
        del self._making[key]
        if not done.cancelled():
            done.exception()  # Nobody may be left who waits for it.

    async def _find_or_make(self, key: str, make: Callable[[], Awaitable[V]]) -> V:
        if (found := await self._find(key)) is not None:
            return found
        while not await self._claim(key):
            await asyncio.sleep(_POLL_S)
            if (found := await self._find(key)) is not None:
                return found
        try:
            # Whoever held the claim until now may have just made it.
            if self._claim_s and (found := await self._find(key)) is not None:
                return found
            self._lookups.labels("miss").inc()
            value = await make()
            await self._keep(key, value)
            return value
        finally:
            await self._release(key)

    async def _find(self, key: str) -> V | None:
        """Return the value that Redis has, which memory has from now on; None for none."""
        if self._link is None:
            return None
        name = self._prefix + key
        try:
            data, left_ms = await self._link.call(lambda redis: _with_time_left(redis, name))
            if not isinstance(data, bytes) or left_ms <= 0:
                return None
            value = self._codec.read(data)
        except (UnavailableError, ValueError):
            self._lookups.labels("error").inc()
            return None
        self._lookups.labels("redis").inc()
        self._memory[key] = _Kept(value, self._monotonic() + left_ms / 1000)
        return value

    async def _keep(self, key: str, value: V) -> None:
        ttl_s = self._ttl_s(value)
        if ttl_s <= 0:
            return
        self._memory[key] = _Kept(value, self._monotonic() + ttl_s)
        if self._link is None:
            return
        try:
            data = self._codec.write(value)
            await self._link.call(lambda redis: redis.set(self._prefix + key, data, px=max(1, int(ttl_s * 1000))))
        except UnavailableError:
            self._lookups.labels("error").inc()

    async def _claim(self, key: str) -> bool:
        """Whether this replica is to make the value; so it is, too, when Redis cannot say."""
        if self._link is None or not self._claim_s:
            return True
        claim_ms = int(self._claim_s * 1000)
        try:
            return bool(await self._link.call(lambda redis: redis.set(self._claim_of(key), b"", nx=True, px=claim_ms)))
        except UnavailableError:
            self._lookups.labels("error").inc()
            return True

    async def _release(self, key: str) -> None:
        if self._link is None or not self._claim_s:
            return
        try:
            await self._link.call(lambda redis: redis.delete(self._claim_of(key)))
        except UnavailableError:
            self._lookups.labels("error").inc()  # It ends by itself.

    def _claim_of(self, key: str) -> str:
        return f"{self._prefix}{key}:claim"


async def _with_time_left(redis: "Redis", name: str) -> tuple[object, int]:
    """Return what Redis has under *name*, and for how many milliseconds."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.get(name)
    pipeline.pttl(name)
    data, left_ms = await pipeline.execute()
    return data, left_ms


@asynccontextmanager
async def open_cache(
    name: str,
    codec: Codec[V],
    *,
    ttl_s: Callable[[V], float],
    max_items: int,
    registry: CollectorRegistry,
    link: RedisLink | None = None,
    claim_s: float = 0.0,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Cache[V]]:
    """Yield a cache; leaving cancels what is being made."""
    cache = Cache(
        name,
        codec,
        ttl_s=ttl_s,
        max_items=max_items,
        registry=registry,
        link=link,
        claim_s=claim_s,
        monotonic=monotonic,
    )
    try:
        yield cache
    finally:
        await cache.end()
