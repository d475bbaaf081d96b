"""Wakes the tails of all replicas when one of them commits; without Redis they look each second."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alerthistory_common.broadcast import Broadcast, running
from alerthistory_common.redis import RedisLink
from alerthistory_history.application.pulse import Pulse

_CHANNEL = "alerthistory:history:committed"
_COMMITTED = "committed"


@asynccontextmanager
async def shared(pulse: Pulse, link: RedisLink | None) -> AsyncIterator[None]:
    """Pass the beats of *pulse* to the other replicas, and theirs to it, while the block runs."""
    if link is None:
        yield
        return
    broadcast = Broadcast(link, _CHANNEL, hear=lambda _: pulse.wake())
    pulse.also(lambda: broadcast.tell(_COMMITTED))
    async with running(broadcast):
        yield
