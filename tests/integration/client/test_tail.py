"""Tail: events as they happen, and a restart of the server that nobody notices."""

import asyncio
import json
from contextlib import aclosing

import pytest

from alerthistory_client.addresses import Addresses
from alerthistory_client.calls import NoAnswerError
from alerthistory_client.client import open_client
from alerthistory_common.errors import UnavailableError
from tests.integration.client.command import ahctl, interrupt, read_line, started
from tests.integration.client.fake_services import FakeServices
from tests.integration.client.messages import HOSTILE, UNSAFE, event


async def _wait_for_tails(services: FakeServices, count: int) -> None:
    async with asyncio.timeout(30):
        while services.tails < count:
            await asyncio.sleep(0.01)


async def test_begins_with_the_backlog_and_goes_on_with_what_happens(services: FakeServices, address: str) -> None:
    await services.happen(event("Old"), event("Recent"))
    async with open_client(Addresses.at(address)) as client, aclosing(client.tail(backlog=1)) as tail:
        first = await anext(tail)
        await services.happen(event("New"))
        second = await anext(tail)
    assert [first.alert_name, second.alert_name] == ["Recent", "New"]
    assert second.cursor == "c3"


async def test_resumes_where_it_stood_after_a_restart(idle: FakeServices, address: str) -> None:
    pauses: list[UnavailableError] = []
    async with open_client(Addresses.at(address)) as client, aclosing(client.tail(on_pause=pauses.append)) as tail:
        async with idle.serving(address):
            following = asyncio.ensure_future(anext(tail))
            await _wait_for_tails(idle, 1)
            await idle.happen(event("Before"))
            assert (await following).alert_name == "Before"
            following = asyncio.ensure_future(anext(tail))
        await idle.happen(event("Meanwhile"))
        async with idle.serving(address):
            async with asyncio.timeout(30):
                assert (await following).alert_name == "Meanwhile"
            await idle.happen(event("After"))
            assert (await anext(tail)).alert_name == "After"
    assert len(pauses) == 1


@pytest.mark.parametrize("past", [(), ("Old",)], ids=["empty store", "filled store"])
async def test_loses_nothing_when_the_restart_comes_before_the_first_event(
    idle: FakeServices, address: str, past: tuple[str, ...]
) -> None:
    await idle.happen(*(event(name) for name in past))
    async with open_client(Addresses.at(address)) as client, aclosing(client.tail()) as tail:
        async with idle.serving(address):
            following = asyncio.ensure_future(anext(tail))
            await _wait_for_tails(idle, 1)
        await idle.happen(event("Meanwhile"))
        async with idle.serving(address), asyncio.timeout(30):
            assert (await following).alert_name == "Meanwhile"


async def test_first_contact_must_succeed(address: str) -> None:
    async with open_client(Addresses.at(address)) as client:
        with pytest.raises(NoAnswerError, match="nothing answers at unix:"):
            await anext(client.tail())


async def test_command_prints_objects_with_cursors_over_a_restart_and_ends_silently(
    idle: FakeServices, address: str
) -> None:
    await idle.happen(event("One"))
    async with started("tail", "--json", "--backlog", "5", "--server", address) as process:
        async with idle.serving(address):
            first = json.loads(await read_line(process))
        await idle.happen(event("Two"))
        async with idle.serving(address):
            second = json.loads(await read_line(process))
            finished = await interrupt(process)
    assert [(each["alert_name"], each["cursor"]) for each in (first, second)] == [("One", "c1"), ("Two", "c2")]
    assert first["labels"] == {"namespace": "shop", "severity": "critical"}
    assert (finished.status, finished.out) == (0, "")


async def test_command_ends_silently_at_ctrl_c(services: FakeServices, address: str) -> None:
    await services.happen(event("One"))
    async with started("tail", "--backlog", "1", "--server", address) as process:
        line = await read_line(process)
        finished = await interrupt(process)
    assert "fired" in line
    assert "One" in line
    assert "severity=critical" in line
    assert (finished.status, finished.out, finished.err) == (0, "", "")


async def test_command_goes_on_after_a_cursor(services: FakeServices, address: str) -> None:
    await services.happen(event("One"), event("Two"))
    async with started("tail", "--cursor", "c1", "--server", address) as process:
        assert "Two" in await read_line(process)


async def test_command_shows_one_harmless_line_per_event(services: FakeServices, address: str) -> None:
    await services.happen(event(HOSTILE), event("Next"))
    async with started("tail", "--backlog", "2", "--server", address) as process:
        line = await read_line(process)
        assert "Next" in await read_line(process)
    assert not set(UNSAFE) & set(line)
    assert "\\u202e" in line


async def test_command_without_a_server_says_what_to_do(address: str) -> None:
    finished = await ahctl("tail", "--server", address)
    assert finished.status == 1
    assert "make run" in finished.err
