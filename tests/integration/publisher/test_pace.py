"""How fast a target is told: its rate limits, over all replicas, and its circuit breaker; both delay and never drop."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alerthistory.publisher.v1 import delivery_pb2, publisher_service_pb2
from alerthistory_common.alerts import Fingerprint
from alerthistory_common.redis import RedisLink, open_redis
from alerthistory_publisher.adapters.rate_limits import MovingWindows
from tests.events import event
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench, Publisher, eventually
from tests.redis_server import RedisServer, running_redis

OPEN = publisher_service_pb2.BREAKER_STATE_OPEN


async def publish(publisher: Publisher, count: int, *, first: int = 0) -> None:
    numbers = range(first, first + count)
    await publisher.publish(*(event(event_id=f"{n}", fingerprint=Fingerprint(f"{n}")) for n in numbers))


async def test_a_rate_limit_delays_a_burst_and_all_of_it_comes(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "rate_limits": ["5 per second", "100 per minute"]})
    moments: list[float] = []

    def note(_: object) -> Reply:
        moments.append(time.monotonic())
        return Reply()

    ops.usual = note
    async with bench.publisher() as publisher:
        await publish(publisher, 20)
        found = await publisher.delivered(20)
        assert {each.attempts for each in found} == {1}
    # Three windows of a second lie between the first and the last; what comes late makes them look shorter.
    assert moments[-1] - moments[0] > 2


async def test_without_a_limit_the_same_burst_comes_at_once(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        began = time.monotonic()
        await publish(publisher, 20)
        await publisher.delivered(20)
    assert time.monotonic() - began < 3


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """Return a real Redis of one's own, which may be suspended."""
    with tempfile.TemporaryDirectory(prefix="ah-", dir="/tmp") as folder, running_redis(Path(folder)) as running:
        yield running


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[RedisLink | None]:
    """Return a way to a real Redis."""
    async with open_redis(f"unix://{redis_server.socket}", name="test", registry=CollectorRegistry()) as opened:
        yield opened


async def test_replicas_share_a_limit_over_redis(link: RedisLink | None) -> None:
    replicas = [MovingWindows(link) for _ in range(3)]
    allowed = [not await each.acquire("ops", ["4 per 10 second"]) for each in replicas * 3]
    assert sum(allowed) == 4
    wait = await replicas[0].acquire("ops", ["4 per 10 second"])
    assert timedelta(seconds=5) < wait <= timedelta(seconds=10)
    assert not await replicas[0].acquire("other", ["4 per 10 second"])


async def test_without_redis_every_replica_counts_for_itself(link: RedisLink | None, redis_server: RedisServer) -> None:
    replicas = [MovingWindows(link) for _ in range(2)]
    assert not await replicas[0].acquire("ops", ["1 per minute"])
    redis_server.suspend()
    allowed = [not await each.acquire("ops", ["1 per minute"]) for each in replicas * 2]
    assert sum(allowed) == 2


async def test_one_of_several_limits_is_enough_and_costs_the_others_nothing() -> None:
    windows, limits = MovingWindows(None), ["2 per hour", "1 per 1 second"]
    assert not await windows.acquire("ops", limits)
    for _ in range(5):
        assert timedelta(0) < await windows.acquire("ops", limits) <= timedelta(seconds=1)
    await asyncio.sleep(1.1)
    assert not await windows.acquire("ops", limits)
    assert await windows.acquire("ops", limits) > timedelta(minutes=30)


async def test_a_target_that_fails_is_left_alone_and_nothing_is_lost(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "concurrency": 1})
    is_broken = True
    ops.usual = lambda _: Reply(status=503 if is_broken else 200)
    async with bench.publisher(breaker_open_s=1.5) as publisher:
        await publish(publisher, 30)

        async def is_open() -> bool:
            stats = await publisher.service.GetStats(publisher_service_pb2.GetStatsRequest(), timeout=10)
            return stats.targets[0].breaker_state == OPEN

        await eventually(is_open, saying="the breaker is open")
        seen = len(ops.requests)
        assert 5 <= seen <= 8
        is_broken = False
        await publisher.delivered(30)
        assert await publisher.deliveries(state=delivery_pb2.DELIVERY_STATE_DEAD) == []


async def test_what_is_claimed_already_waits_too_when_the_breaker_opens(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher(target_concurrency=1, breaker_open_s=60) as publisher:
        await publish(publisher, 60)
        await publisher.delivered(60)
        ops.usual = lambda _: Reply(status=503)
        await publish(publisher, 60, first=60)

        async def is_open() -> bool:
            stats = await publisher.service.GetStats(publisher_service_pb2.GetStatsRequest(), timeout=10)
            return stats.targets[0].breaker_state == OPEN

        await eventually(is_open, saying="the breaker is open")
    assert 10 <= len(ops.requests) - 60 <= 20


async def test_a_target_that_refuses_some_is_not_left_alone(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "concurrency": 1})
    ops.script.extend(Reply(status=400) for _ in range(20))
    async with bench.publisher(breaker_open_s=60) as publisher:
        await publish(publisher, 25)
        await publisher.dead(20)
        await publisher.delivered(5)
