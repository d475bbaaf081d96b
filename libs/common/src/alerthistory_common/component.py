"""A service, opened and wired, as a process sees it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc


async def _nothing() -> None:
    return None


async def _ready() -> bool:
    return True


def _no_services(_: grpc.aio.Server) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """What a composition root yields.

    ``register`` adds the servicers to a server and returns their full names. ``is_ready`` says whether calls make sense
    now. ``leave`` is told that the process has turned unready, while calls still come. ``drain`` stops taking work and
    returns when what was in hand is finished or given back; the server still answers meanwhile. Leaving the composition
    root closes everything.
    """

    name: str
    register: Callable[[grpc.aio.Server], tuple[str, ...]] = _no_services
    is_ready: Callable[[], Awaitable[bool]] = _ready
    leave: Callable[[], None] = lambda: None
    drain: Callable[[], Awaitable[None]] = _nothing
