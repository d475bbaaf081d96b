"""What replicas tell each other by a real Redis, and what becomes of them when it is killed, hangs, or is full."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis
import uvloop
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from alerthistory_common.broadcast import Broadcast
from alerthistory_common.broadcast import running as broadcasting
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import UnavailableError
from alerthistory_common.redis import RedisLink, open_redis
from alerthistory_history.adapters import wake_ups
from alerthistory_history.application.pulse import Pulse
from alerthistory_publisher.adapters import shared_pauses
from alerthistory_publisher.application.pauses import Pauses
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.processes import short_folder
from tests.publishers import eventually
from tests.redis_server import start_redis, stop_redis

MINUTE = timedelta(minutes=1)


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


@asynccontextmanager
async def _link(folder: Path, registry: CollectorRegistry | None = None) -> AsyncIterator[RedisLink]:
    url = f"unix://{folder}/redis.sock"
    async with open_redis(url, name="test", registry=registry or CollectorRegistry()) as link:
        assert link is not None
        yield link


async def _listeners(server: redis.Redis, channel: str) -> int:
    ((_, count),) = await asyncio.to_thread(server.pubsub_numsub, channel)
    return int(count)


async def _all_listen(server: redis.Redis, channel: str, count: int) -> None:
    async def do_listen() -> bool:
        return await _listeners(server, channel) == count

    await eventually(do_listen, saying=f"{count} listen")


async def test_without_a_url_there_is_no_link() -> None:
    async with open_redis("", name="test", registry=CollectorRegistry()) as link:
        assert link is None


async def test_loss_and_return_are_said_once_and_stand_in_the_metric(folder: Path) -> None:
    registry = CollectorRegistry()

    def is_up() -> float | None:
        return registry.get_sample_value("alerthistory_test_redis_up")

    async with _link(folder, registry) as link:
        with capture_logs() as logs:
            await link.call(lambda each: each.ping())
            assert is_up() == 1
            stop_redis(folder)
            for _ in range(3):
                with pytest.raises(UnavailableError):
                    await link.call(lambda each: each.ping())
            assert is_up() == 0
            start_redis(folder)
            for _ in range(3):
                await link.call(lambda each: each.ping())
            assert is_up() == 1
    assert [line["event"] for line in logs] == ["Redis is away: replicas work on their own", "Redis is back"]


async def test_a_redis_that_hangs_delays_a_call_within_bounds(folder: Path, server: redis.Redis) -> None:
    process = psutil.Process(int(server.info()["process_id"]))
    async with _link(folder) as link:
        await link.call(lambda each: each.ping())
        process.suspend()
        try:
            async with asyncio.timeout(2):
                with pytest.raises(UnavailableError):
                    await link.call(lambda each: each.ping())
        finally:
            process.send_signal(signal.SIGCONT)


async def test_a_redis_that_is_full_counts_as_away(folder: Path, server: redis.Redis) -> None:
    server.config_set("maxmemory", 1)
    async with _link(folder) as link:
        with pytest.raises(UnavailableError):
            await link.call(lambda each: each.set("key", "value"))


async def test_others_hear_what_is_told_and_nobody_hears_himself(folder: Path, server: redis.Redis) -> None:
    heard: list[list[str]] = [[], []]
    async with AsyncExitStack() as stack:
        speakers = []
        for mine in heard:
            link = await stack.enter_async_context(_link(folder))
            speakers.append(Broadcast(link, "channel", hear=mine.append))
            await stack.enter_async_context(broadcasting(speakers[-1]))
        await _all_listen(server, "channel", 2)
        for message in ("a", "b c", "a"):
            speakers[0].tell(message)
        speakers[1].tell("mine")

        async def is_heard() -> bool:
            return heard == [["mine"], ["a", "b c"]]

        await eventually(is_heard, saying="the others heard each message once")


async def test_replicas_find_each_other_again_after_redis_was_killed(folder: Path, server: redis.Redis) -> None:
    heard: list[str] = []
    async with _link(folder) as here, _link(folder) as there:
        speaker = Broadcast(here, "channel", hear=lambda _: None)
        async with broadcasting(speaker), broadcasting(Broadcast(there, "channel", hear=heard.append)):
            await _all_listen(server, "channel", 2)
            process = psutil.Process(int(server.info()["process_id"]))
            process.kill()
            process.wait(10)
            speaker.tell("lost")
            start_redis(folder)
            await _all_listen(server, "channel", 2)

            async def is_heard() -> bool:
                speaker.tell("found")
                return "found" in heard

            await eventually(is_heard, saying="messages pass again")


async def test_who_only_listens_notices_that_redis_hangs_and_hears_again(folder: Path, server: redis.Redis) -> None:
    registry = CollectorRegistry()
    heard: list[str] = []

    async def is_up(wanted: int) -> bool:
        return registry.get_sample_value("alerthistory_test_redis_up") == wanted

    with fault_proxy(folder / "redis.sock") as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        async with open_redis(url, name="test", registry=registry) as link:
            assert link is not None
            with capture_logs() as logs:
                async with broadcasting(Broadcast(link, "channel", hear=heard.append)):
                    await _all_listen(server, "channel", 1)
                    proxy.hang()
                    await eventually(lambda: is_up(0), saying="the hanging is noticed")
                    proxy.heal()
                    await eventually(lambda: is_up(1), saying="it is over")

                    async def is_heard() -> bool:
                        server.publish("channel", "stranger hello")
                        return "hello" in heard

                    await eventually(is_heard, saying="messages pass again")
    assert [line["event"] for line in logs] == ["Redis is away: replicas work on their own", "Redis is back"]


def test_a_reset_connection_is_made_anew_in_the_programs_own_loop(folder: Path) -> None:
    async def subscribe_and_be_reset(proxy: FaultProxy) -> None:
        url = f"redis://127.0.0.1:{proxy.port}"
        async with open_redis(url, name="test", registry=CollectorRegistry()) as link:
            assert link is not None
            async with link.subscription() as subscription:
                await link.call(lambda _: subscription.subscribe("channel"))
                proxy.reset()
                await asyncio.sleep(0.05)  # For the loop to see it.
                await link.call(lambda _: subscription.ping())

    with fault_proxy(folder / "redis.sock") as proxy:
        uvloop.run(subscribe_and_be_reset(proxy))


async def test_a_commit_of_one_replica_wakes_the_tails_of_another(folder: Path, server: redis.Redis) -> None:
    here, there = Pulse(), Pulse()
    async with _link(folder) as one, _link(folder) as two, wake_ups.shared(here, one), wake_ups.shared(there, two):
        await _all_listen(server, "alerthistory:history:committed", 2)
        beat = there.next()
        here.beat()
        async with asyncio.timeout(10):
            await beat.wait()


async def test_without_redis_a_beat_stays_where_it_is() -> None:
    here, there = Pulse(), Pulse()
    async with wake_ups.shared(here, None), wake_ups.shared(there, None):
        mine, theirs = here.next(), there.next()
        here.beat()
        assert mine.is_set()
        assert not theirs.is_set()


async def test_a_pause_holds_on_all_replicas_and_on_those_that_start_later(folder: Path, server: redis.Redis) -> None:
    clock = SystemClock()
    here, there, later = Pauses(clock), Pauses(clock), Pauses(clock)

    def names() -> list[str]:
        return ["ops", "audit"]

    async def holds(pauses: Pauses) -> bool:
        return pauses.end("ops", clock.now()) is not None

    async with _link(folder) as one, _link(folder) as two, _link(folder) as three:
        async with shared_pauses.shared(here, one, names), shared_pauses.shared(there, two, names):
            await _all_listen(server, "alerthistory:publisher:pauses", 2)
            here.begin("ops", MINUTE)
            await eventually(lambda: holds(there), saying="the other replica pauses")
        async with shared_pauses.shared(later, three, names):
            await eventually(lambda: holds(later), saying="the late replica pauses")
    assert there.end("audit", clock.now()) is None
    assert later.end("audit", clock.now()) is None


async def test_a_pause_holds_here_when_redis_is_away(folder: Path) -> None:
    stop_redis(folder)
    clock = SystemClock()
    pauses = Pauses(clock)
    async with _link(folder) as link, shared_pauses.shared(pauses, link, lambda: ["ops"]):
        pauses.begin("ops", MINUTE)
        assert pauses.end("ops", clock.now()) is not None


@pytest.mark.parametrize("message", ["", "x ops", "-5 ops", "ops", "٣ ops"])
async def test_a_message_that_makes_no_sense_is_ignored(folder: Path, server: redis.Redis, message: str) -> None:
    clock = SystemClock()
    pauses = Pauses(clock)
    async with _link(folder) as link, shared_pauses.shared(pauses, link, lambda: ["ops"]):
        await _all_listen(server, "alerthistory:publisher:pauses", 1)
        server.publish("alerthistory:publisher:pauses", f"stranger {message}")
        server.publish("alerthistory:publisher:pauses", "stranger 60000 other")

        async def holds() -> bool:
            return pauses.end("other", clock.now()) is not None

        await eventually(holds, saying="the message after it was heard")
        assert pauses.end("ops", clock.now()) is None
