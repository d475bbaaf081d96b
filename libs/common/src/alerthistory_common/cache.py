"""A cache of two levels: this process's memory, and Redis for all replicas. An error is a miss, never a failure."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter

from alerthistory_common.errors import UnavailableError
from alerthistory_common.redis import RedisLink

V = TypeVar("V")
_RESULTS = ("memory", "redis", "miss", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[V]):
    """Writes a value as bytes, and reads it back; *read* raises ValueError for bytes that are no such value."""

    write: Callable[[V], bytes]
    read: Callable[[bytes], V]


class Cache(Generic[V]):
    """Values of one kind, by key; a value is at most *ttl_s* old in either level.

    Memory holds *max_items*, and forgets what was used longest ago. Callers of one key at one time share one making.
    """

    def __init__(
        self,
        name: str,
        codec: Codec[V],
        *,
        ttl_s: float,
        max_items: int,
        registry: CollectorRegistry,
        link: RedisLink | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = f"alerthistory:cache:{name}:"
        self._codec = codec
        self._ttl_s = ttl_s
        self._max_items = max_items
        self._link = link
        self._monotonic = monotonic
        self._memory: OrderedDict[str, tuple[float, V]] = OrderedDict()
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

        A caller that is cancelled does not take the value from the others.
        """
        if (found := self._memory.get(key)) and found[0] > self._monotonic():
            self._memory.move_to_end(key)
            self._lookups.labels("memory").inc()
            return found[1]
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.ensure_future(self._find_or_make(key, make))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: str, done: asyncio.Task[V]) -> None:
        del self._making[key]
        if not done.cancelled():
            done.exception()  # Nobody may be left who waits for it.

    async def _find_or_make(self, key: str, make: Callable[[], Awaitable[V]]) -> V:
        shared = await self._shared(key)
        if shared is not None:
            value, left_s = shared
            self._lookups.labels("redis").inc()
            self._keep(key, value, left_s)
            return value
        self._lookups.labels("miss").inc()
        value = await make()
        self._keep(key, value, self._ttl_s)
        await self._share(key, value)
        return value

    def _keep(self, key: str, value: V, ttl_s: float) -> None:
        self._memory[key] = (self._monotonic() + ttl_s, value)
        self._memory.move_to_end(key)
        while len(self._memory) > self._max_items:
            self._memory.popitem(last=False)

    async def _shared(self, key: str) -> tuple[V, float] | None:
        """Return the value that Redis has and the seconds it has left, None for none."""
        if self._link is None:
            return None
        try:
            data = await self._link.call(lambda redis: redis.get(self._prefix + key))
            left_ms = await self._link.call(lambda redis: redis.pttl(self._prefix + key)) if data else 0
            return (self._codec.read(data), left_ms / 1000) if isinstance(data, bytes) and left_ms > 0 else None
        except (UnavailableError, ValueError):
            self._lookups.labels("error").inc()
            return None

    async def _share(self, key: str, value: V) -> None:
        if self._link is None:
            return
        try:
            data = self._codec.write(value)
            await self._link.call(lambda redis: redis.set(self._prefix + key, data, px=int(self._ttl_s * 1000)))
        except UnavailableError:
            self._lookups.labels("error").inc()
