"""What the replicas of a service tell each other over Redis: at once when it is there, nothing when it is away.

A message may be lost. Whoever listens must find out by itself, only later.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from alerthistory_common.errors import UnavailableError
from alerthistory_common.redis import RedisLink

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

_AGAIN_S = 1.0
_LISTEN_S = 1.0
_MOST_UNSAID = 1000


async def _nothing(*_: str) -> None:
    """Do nothing."""


class Broadcast:
    """One channel. *hear* gets what the others tell.

    *catch_up* runs when listening begins, and begins anew; *keep* before each message is sent. Both may talk to Redis.
    """

    def __init__(
        self,
        link: RedisLink,
        channel: str,
        *,
        hear: Callable[[str], None],
        catch_up: Callable[[], Awaitable[None]] = _nothing,
        keep: Callable[[str], Awaitable[None]] = _nothing,
    ) -> None:
        self._link = link
        self._channel = channel
        self._hear = hear
        self._catch_up = catch_up
        self._keep = keep
        self._myself = uuid4().hex
        # In order, each once: what is told again before it is sent is told once.
        self._unsaid: dict[str, None] = {}
        self._has_unsaid = asyncio.Event()
        self._is_over = False

    def tell(self, message: str) -> None:
        """Tell the others, soon; never waits."""
        if len(self._unsaid) < _MOST_UNSAID:
            self._unsaid[message] = None
        self._has_unsaid.set()

    async def speak(self) -> None:
        """Send what is told, until it is over. What cannot be sent is forgotten."""
        while not self._is_over:
            await self._has_unsaid.wait()
            self._has_unsaid.clear()
            messages, self._unsaid = list(self._unsaid), {}
            try:
                for message in messages:
                    await self._keep(message)
                    await self._publish(f"{self._myself} {message}")
            except UnavailableError:
                await asyncio.sleep(_AGAIN_S)

    async def listen(self) -> None:
        """Hear what the others tell, until it is over."""
        while not self._is_over:
            try:
                await self._listen()
            except UnavailableError:
                await asyncio.sleep(_AGAIN_S)

    def end(self) -> None:
        """Let ``speak`` and ``listen`` return; redis-py may swallow that they are cancelled."""
        self._is_over = True
        self._has_unsaid.set()

    async def _listen(self) -> None:
        async with self._link.subscription() as subscription:
            await self._link.call(lambda _: subscription.subscribe(self._channel))
            await self._catch_up()
            while not self._is_over:
                found = await self._link.call(lambda _: _next(subscription))
                if found["type"] == "message":
                    sender, _, message = found["data"].decode(errors="replace").partition(" ")
                    if sender != self._myself:
                        self._hear(message)

    async def _publish(self, text: str) -> None:
        await self._link.call(lambda redis: redis.publish(self._channel, text))


async def _next(subscription: "PubSub") -> dict[str, Any]:
    """Return what comes next. After a silence Redis is asked whether it is there, and TimeoutError raised if it is not.

    A Redis that hangs, and a connection that died without a word, are as silent as channels on which nothing happens.
    """
    found: dict[str, Any] | None = await subscription.get_message(timeout=_LISTEN_S)
    if found is None:
        await subscription.ping()
        found = await subscription.get_message(timeout=_LISTEN_S)
    if found is None:
        raise TimeoutError
    return found


@asynccontextmanager
async def running(broadcast: Broadcast) -> AsyncIterator[None]:
    """Speak and listen while the block runs."""
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(broadcast.speak()), tasks.create_task(broadcast.listen())]
        try:
            yield
        finally:
            broadcast.end()
            for task in background:
                task.cancel()
