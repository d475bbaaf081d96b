"""The cache over a real Redis: bounded, as old as allowed, made once for all who ask, and right when Redis is not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import redis
from prometheus_client import CollectorRegistry

from alerthistory_common.cache import Cache, Codec
from alerthistory_common.redis import open_redis
from tests.processes import short_folder
from tests.redis_server import start_redis, stop_redis

NUMBER: Codec[int] = Codec(write=lambda value: str(value).encode(), read=int)
KEY = "alerthistory:cache:test:a"


class Maker:
    """Makes the next number at each call."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self) -> int:
        """Return 1, then 2, and so on."""
        self.made += 1
        await asyncio.sleep(0)
        return self.made


class Hands:
    """A clock that stands still until it is turned."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds that were set."""
        return self.now


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return the folder of a Redis that runs."""
    with short_folder() as folder:
        start_redis(folder)
        yield folder
        stop_redis(folder)


@pytest.fixture
def server(folder: Path) -> Iterator[redis.Redis]:
    """Return a client of the Redis."""
    with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as client:
        yield client


def _alone(*, hands: Hands | None = None, max_items: int = 10) -> Cache[int]:
    return Cache(
        "test",
        NUMBER,
        ttl_s=lambda _: 60,
        max_items=max_items,
        registry=CollectorRegistry(),
        monotonic=hands or Hands(),
    )


@asynccontextmanager
async def _sharing(folder: Path, registry: CollectorRegistry | None = None) -> AsyncIterator[Cache[int]]:
    registry = registry or CollectorRegistry()
    async with open_redis(f"unix://{folder}/redis.sock", name="test", registry=registry) as link:
        yield Cache("test", NUMBER, ttl_s=lambda _: 60, max_items=10, registry=registry, link=link)


async def test_a_value_is_made_once_until_it_is_too_old() -> None:
    hands, make = Hands(), Maker()
    cache = _alone(hands=hands)
    assert [await cache.get("a", make), await cache.get("a", make)] == [1, 1]
    hands.now = 59.9
    assert await cache.get("a", make) == 1
    hands.now = 60.1
    assert await cache.get("a", make) == 2


async def test_memory_forgets_what_was_used_longest_ago() -> None:
    make = Maker()
    cache = _alone(max_items=2)
    for key in ("a", "b", "a", "c"):
        await cache.get(key, make)
    assert make.made == 3
    assert await cache.get("a", make) == 1
    assert await cache.get("b", make) == 4


async def test_those_who_ask_together_share_one_making() -> None:
    make = Maker()
    cache = _alone()
    assert set(await asyncio.gather(*(cache.get("a", make) for _ in range(50)))) == {1}


async def test_who_gives_up_leaves_the_value_to_the_others() -> None:
    cache, is_made = _alone(), asyncio.Event()

    async def make() -> int:
        await is_made.wait()
        return 7

    impatient = asyncio.ensure_future(cache.get("a", make))
    patient = asyncio.ensure_future(cache.get("a", make))
    await asyncio.sleep(0)
    impatient.cancel()
    is_made.set()
    assert await patient == 7
    assert impatient.cancelled()


async def test_a_failure_is_told_and_not_kept() -> None:
    cache = _alone()

    async def fail() -> int:
        raise LookupError("no number")

    with pytest.raises(LookupError):
        await cache.get("a", fail)
    assert await cache.get("a", Maker()) == 1


async def test_replicas_share_values_that_end_at_the_same_time(folder: Path, server: redis.Redis) -> None:
    make = Maker()
    async with _sharing(folder) as here, _sharing(folder) as there:
        assert [await here.get("a", make), await there.get("a", make)] == [1, 1]
        assert 0 < server.pttl(KEY) <= 60_000


async def test_a_flushed_redis_is_filled_anew(folder: Path, server: redis.Redis) -> None:
    make = Maker()
    async with _sharing(folder) as here, _sharing(folder) as there:
        await here.get("a", make)
        server.flushall()
        assert await there.get("a", make) == 2
        assert server.get(KEY) == b"2"


async def test_what_cannot_be_read_is_made_and_replaced(folder: Path, server: redis.Redis) -> None:
    server.set(KEY, b"no number", ex=60)
    async with _sharing(folder) as cache:
        assert await cache.get("a", Maker()) == 1
    assert server.get(KEY) == b"1"


@pytest.mark.parametrize("trouble", ["stopped", "hanging", "full"])
async def test_the_value_is_the_same_when_redis_is_in_trouble(folder: Path, server: redis.Redis, trouble: str) -> None:
    registry = CollectorRegistry()
    process = psutil.Process(int(server.info()["process_id"]))
    if trouble == "full":
        server.config_set("maxmemory", 1)
    elif trouble == "stopped":
        stop_redis(folder)
    else:
        process.suspend()
    try:
        async with _sharing(folder, registry) as cache, asyncio.timeout(3):
            assert await cache.get("a", Maker()) == 1
    finally:
        if trouble == "hanging":
            process.resume()
    errors = registry.get_sample_value("alerthistory_test_cache_lookups_total", {"result": "error"})
    assert errors is not None
    assert errors >= 1
