"""A pause that a target asked one replica for holds for all; without Redis each finds out by itself."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from alerthistory_common.broadcast import Broadcast, running
from alerthistory_common.redis import RedisLink
from alerthistory_publisher.application.pauses import Pauses
from alerthistory_publisher.domain.outcomes import MAX_RETRY_AFTER

_CHANNEL = "alerthistory:publisher:pauses"
_PREFIX = "alerthistory:publisher:pause:"
_MILLISECOND = timedelta(milliseconds=1)


@asynccontextmanager
async def shared(pauses: Pauses, link: RedisLink | None, targets: Callable[[], Iterable[str]]) -> AsyncIterator[None]:
    """Pass pauses to the other replicas, and theirs to us, while the block runs. *targets* gives all names.

    Pauses cross as durations, so that clocks need not agree; a replica that starts asks Redis for what is left.
    """
    if link is None:
        yield
        return
    sharing = _Sharing(pauses, link, targets)
    pauses.also(sharing.tell)
    async with running(sharing.broadcast):
        yield


class _Sharing:
    def __init__(self, pauses: Pauses, link: RedisLink, targets: Callable[[], Iterable[str]]) -> None:
        self._pauses = pauses
        self._link = link
        self._targets = targets
        self.broadcast = Broadcast(link, _CHANNEL, hear=self.hear, catch_up=self.catch_up, keep=self.keep)

    def tell(self, target: str, pause: timedelta) -> None:
        if milliseconds := pause // _MILLISECOND:
            self.broadcast.tell(f"{milliseconds} {target}")

    def hear(self, message: str) -> None:
        milliseconds, _, target = message.partition(" ")
        if milliseconds.isascii() and milliseconds.isdecimal():
            self._pauses.note(target, min(int(milliseconds[:9]) * _MILLISECOND, MAX_RETRY_AFTER))

    async def keep(self, message: str) -> None:
        milliseconds, _, target = message.partition(" ")
        await self._link.call(lambda redis: redis.set(_PREFIX + target, "1", px=int(milliseconds)))

    async def catch_up(self) -> None:
        for target in self._targets():
            if (left := await self._left(target)) > 0:
                self._pauses.note(target, min(left * _MILLISECOND, MAX_RETRY_AFTER))

    async def _left(self, target: str) -> int:
        return int(await self._link.call(lambda redis: redis.pttl(_PREFIX + target)))
