"""A tail whose connection is cut at any byte, reset or silent goes on where it stood: nothing missed, nothing twice."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from alerthistory_client.addresses import Addresses
from alerthistory_client.client import Client, open_client
from alerthistory_common.alerts import AlertEvent
from alerthistory_common.errors import UnavailableError
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.integration.history.harness import TIMEOUT_S, History, firing, resolved

_WRITERS = 4
_INTERRUPTIONS = 6
# From the middle of HTTP/2's first frames to some dozens of events.
_FEWEST_BYTES, _MOST_BYTES = 60, 20_000
_BEGINNING = "0-0"


@pytest.fixture
def proxy(history: History) -> Iterator[FaultProxy]:
    """Return what stands between the replica and its clients."""
    with fault_proxy(Path(history.address.removeprefix("unix:"))) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    """Return a client whose connections go through the proxy."""
    async with open_client(Addresses.at(f"127.0.0.1:{proxy.port}")) as client:
        yield client


async def _write(history: History, writer: int, pauses: Sequence[UnavailableError]) -> None:
    """Let an alert fire and be resolved until the tail was interrupted often enough."""
    start = 0
    while len(pauses) < _INTERRUPTIONS:
        await history.record(firing(f"fp-{writer}", start_s=start, received_s=start))
        await history.record(resolved(f"fp-{writer}", start_s=start, end_s=start + 1, received_s=start + 1))
        await asyncio.sleep(0.02)
        start += 2


async def _disturb(proxy: FaultProxy, chance: random.Random) -> None:
    """Cut connections at random bytes, and break some in other ways, again and again.

    In between all is well for a while: what has piled up comes as one message, perhaps of more than is let through.
    """
    faults = (proxy.reset, proxy.half_close, proxy.refuse, proxy.hang)
    while True:
        proxy.cut_after(round(_FEWEST_BYTES * (_MOST_BYTES / _FEWEST_BYTES) ** chance.random()))
        await asyncio.sleep(chance.uniform(0.05, 0.3))
        if chance.random() < 0.3:
            chance.choice(faults)()
            await asyncio.sleep(chance.uniform(0, 0.2))
        proxy.heal()
        await asyncio.sleep(chance.uniform(0, 0.3))


async def _write_disturbed(
    history: History, proxy: FaultProxy, pauses: Sequence[UnavailableError], found: Sequence[str], seed: int
) -> None:
    """Let all write while connections break; at the end all is well, and one more event happens.

    Nothing breaks before the first event is found: a tail's first contact must succeed.
    """
    await history.record(firing("first"))
    while not found:
        await asyncio.sleep(0.01)
    disturbing = asyncio.create_task(_disturb(proxy, random.Random(seed)))
    try:
        await asyncio.gather(*(_write(history, writer, pauses) for writer in range(_WRITERS)))
    finally:
        disturbing.cancel()
        proxy.heal()
    await history.record(firing("last"))


async def _take_to_last(tail: AsyncGenerator[AlertEvent, None], found: list[str]) -> None:
    """Add the events of *tail* to *found*, as they come."""
    async with aclosing(tail):
        async for event in tail:
            found.append(event.event_id)
            if event.fingerprint == "last":
                return


async def _follow_without_cursor(client: Client, pauses: list[UnavailableError], found: list[str]) -> None:
    """Add to *found* what a reader gets who begins anew whenever the tail breaks, with the newest events."""

    def give_up(error: UnavailableError) -> None:
        pauses.append(error)
        raise error

    while True:
        try:
            return await _take_to_last(client.tail(backlog=5, on_pause=give_up), found)
        except UnavailableError:
            await asyncio.sleep(0.1)


async def test_a_tail_that_is_cut_at_random_bytes_misses_and_repeats_nothing(
    history: History, proxy: FaultProxy, client: Client
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    pauses: list[UnavailableError] = []
    found: list[str] = []
    async with asyncio.timeout(2 * TIMEOUT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(_take_to_last(client.tail(cursor=_BEGINNING, on_pause=pauses.append), found))
        tasks.create_task(_write_disturbed(history, proxy, pauses, found, seed))

    assert found == [event.event_id for event in await history.events()], f"seed {seed}"


async def test_without_the_cursor_the_same_cuts_make_gaps_or_repetitions(
    history: History, proxy: FaultProxy, client: Client
) -> None:
    pauses: list[UnavailableError] = []
    found: list[str] = []
    async with asyncio.timeout(2 * TIMEOUT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(_follow_without_cursor(client, pauses, found))
        tasks.create_task(_write_disturbed(history, proxy, pauses, found, seed=1))
    expected = [event.event_id for event in await history.events()]

    assert found[-1] == expected[-1]
    assert found != expected[-len(found) :]


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_a_tail_notices_that_its_connection_is_dead_and_goes_on(
    history: History, proxy: FaultProxy, client: Client
) -> None:
    is_noticed = asyncio.Event()
    async with aclosing(client.tail(cursor=_BEGINNING, on_pause=lambda _: is_noticed.set())) as tail:
        await history.record(firing("before"))
        assert (await anext(tail)).fingerprint == "before"
        following = asyncio.ensure_future(anext(tail))
        proxy.hang()
        await history.record(firing("meanwhile"))
        # Keepalive's 30 s and 15 s. A ping of another kind, as there is one under way now, must not put that off.
        await asyncio.wait_for(is_noticed.wait(), 50)
        proxy.heal()
        assert (await following).fingerprint == "meanwhile"
