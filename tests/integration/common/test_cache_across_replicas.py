"""What one replica makes the others do not: the cache's claims in a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alerthistory_common.cache import Cache, Codec, open_cache
from alerthistory_common.redis import open_redis
from tests.processes import short_folder
from tests.redis_server import start_redis, stop_redis

NUMBER: Codec[int] = Codec(write=lambda value: str(value).encode(), read=int)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return the folder of a Redis that runs."""
    with short_folder() as folder:
        start_redis(folder)
        yield folder
        stop_redis(folder)


class Maker:
    """Makes numbers, slowly, and counts them."""

    def __init__(self, *, takes_s: float = 0.2, value: int | None = None) -> None:
        self.made = 0
        self._takes_s = takes_s
        self._value = value

    async def __call__(self) -> int:
        """Return the next number."""
        self.made += 1
        await asyncio.sleep(self._takes_s)
        return self.made if self._value is None else self._value


@asynccontextmanager
async def replicas(folder: Path, *, count: int = 3, claim_s: float = 10.0) -> AsyncIterator[list[Cache[int]]]:
    """Yield caches of several replicas; negative numbers live for no time."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            registry = CollectorRegistry()
            link = await stack.enter_async_context(
                open_redis(f"unix://{folder}/redis.sock", name="test", registry=registry)
            )
            found.append(
                await stack.enter_async_context(
                    open_cache(
                        "test",
                        NUMBER,
                        ttl_s=lambda value: 60 if value >= 0 else 0,
                        max_items=100,
                        registry=registry,
                        link=link,
                        claim_s=claim_s,
                    )
                )
            )
        yield found


async def test_replicas_that_ask_together_make_a_value_once(folder: Path) -> None:
    make = Maker()
    async with replicas(folder) as caches:
        asked = [cache.get(f"key-{number}", make) for number in range(20) for cache in caches for _ in range(3)]
        await asyncio.gather(*asked)
    assert make.made == 20


async def test_without_claims_each_makes_its_own(folder: Path) -> None:
    """The negative control."""
    make = Maker()
    async with replicas(folder, claim_s=0) as caches:
        await asyncio.gather(*(cache.get("key", make) for cache in caches))
    assert make.made == 3


async def test_a_replica_that_dies_with_a_claim_holds_nobody_up_for_long(folder: Path) -> None:
    make = Maker()
    async with replicas(folder, claim_s=0.6) as (dying, living, _):
        hung = asyncio.ensure_future(dying.get("key", asyncio.Event().wait))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            assert await living.get("key", make) == 1
        hung.cancel()


async def test_a_value_that_does_not_live_is_made_again_by_others(folder: Path) -> None:
    make = Maker(value=-1, takes_s=0)
    async with replicas(folder) as caches:
        for cache in caches:
            assert await cache.get("key", make) == -1
    assert make.made == 3


async def test_when_redis_dies_half_way_every_replica_goes_on_alone(folder: Path) -> None:
    make = Maker()
    async with replicas(folder) as caches:
        asked = [asyncio.ensure_future(cache.get("key", make)) for cache in caches]
        await asyncio.sleep(0.05)
        stop_redis(folder)
        async with asyncio.timeout(10):
            await asyncio.gather(*asked)
            await asyncio.gather(*(cache.get("other", make) for cache in caches))
    assert 2 <= make.made <= 6


async def test_a_renewed_value_takes_the_old_ones_place_everywhere(folder: Path) -> None:
    make = Maker(takes_s=0)
    async with replicas(folder) as (one, other, _):
        assert await one.get("key", make) == 1
        assert await one.renew("key", make) == 2
        assert [await one.get("key", make), await other.get("key", make)] == [2, 2]


async def test_leaving_ends_what_is_being_made() -> None:
    is_ended = asyncio.Event()

    async def make() -> int:
        try:
            return await asyncio.sleep(60, 1)
        finally:
            is_ended.set()

    async with open_cache("test", NUMBER, ttl_s=lambda _: 60, max_items=10, registry=CollectorRegistry()) as cache:
        asking = asyncio.ensure_future(cache.get("key", make))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert is_ended.is_set()
    with pytest.raises(asyncio.CancelledError):
        await asking
