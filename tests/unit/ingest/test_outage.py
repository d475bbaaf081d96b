"""Whether history is away: what comes into the spool while it is looked into is not overlooked."""

import asyncio

from alerthistory_ingest.application.intake import Outage


async def test_an_empty_spool_ends_the_outage() -> None:
    outage = Outage()
    outage.begin()
    outage.look()
    outage.end()
    assert not outage.is_on


async def test_what_came_after_the_look_keeps_it_on_and_is_looked_at_at_once() -> None:
    outage = Outage()
    outage.look()
    outage.begin()  # Between the look, which found nothing, and its end.
    outage.end()
    assert outage.is_on
    async with asyncio.timeout(1):
        await outage.wait(60)


async def test_a_quiet_spool_is_looked_into_again_after_a_while() -> None:
    outage = Outage()
    outage.look()
    async with asyncio.timeout(5):
        await outage.wait(0.01)
