"""Who asks one replica for fresh targets gets them from all; without Redis the others have them in their own time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alerthistory_common.broadcast import Broadcast, running
from alerthistory_common.redis import RedisLink
from alerthistory_publisher.application.targets import TargetDirectory

_CHANNEL = "alerthistory:publisher:refreshes"
_MESSAGE = "refresh"


@asynccontextmanager
async def shared(directory: TargetDirectory, link: RedisLink | None) -> AsyncIterator[None]:
    """Pass wishes for fresh targets to the other replicas, and theirs to us, while the block runs."""
    if link is None:
        yield
        return
    broadcast = Broadcast(link, _CHANNEL, hear=lambda _: directory.hint())
    directory.also(lambda: broadcast.tell(_MESSAGE))
    async with running(broadcast):
        yield
