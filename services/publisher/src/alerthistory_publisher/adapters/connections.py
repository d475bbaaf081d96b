"""Connections to targets: only to destinations that are admitted, and no name that hangs delays another."""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from alerthistory_publisher.domain.destinations import Destinations

AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""One address, as ``socket.getaddrinfo`` tells it."""

Lookup = Callable[[str, int], Sequence[AddrInfo]]
"""Gives the addresses of a host and a port; raises OSError when there are none. It may block."""

_KEEP_ALIVE_S = 30.0
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class RefusedAddressError(OSError):
    """The *address* is no destination. All read the same: of different errors aiohttp raises another, of its own."""

    def __init__(self, address: str) -> None:
        super().__init__(errno.EACCES, "not a destination")
        self.address = address


def look_up(host: str, port: int) -> Sequence[AddrInfo]:
    """Return what the system's resolver says."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


def connector(destinations: Destinations, lookup: Lookup = look_up) -> aiohttp.TCPConnector:
    """Return what connects to *destinations* and to nothing else."""

    def open_socket(info: AddrInfo) -> socket.socket:
        # The last step before connecting, and to this very address: what a name meant before does not matter.
        family, kind, protocol, _, (address, *_) = info
        if not destinations.admits(address):
            raise RefusedAddressError(address)
        return socket.socket(family, kind, protocol)

    # It holds connections as long as they live; what bounds them is how much is sent to a target at a time.
    return aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=_KEEP_ALIVE_S,
        ssl=httpx.create_ssl_context(),
        resolver=_Resolver(lookup),
        socket_factory=open_socket,
    )


class _Resolver(AbstractResolver):
    """Looks names up, each in a thread of its own.

    A lookup can hang for half a minute and cannot be cancelled: in asyncio's pool, which has six threads on two cores,
    a few such names would hold up all others, and the end of the process. The connector asks for a host and a port
    once at a time, however many wait for it: there are at most as many threads as targets.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of *host*; those of another *family* are dropped later."""
        found: Future[Sequence[AddrInfo]] = Future()
        Thread(target=self._complete, args=(found, host, port), name="lookup", daemon=True).start()
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=protocol, flags=_NUMERIC)
            for kind, _, protocol, _, (address, *_) in await asyncio.wrap_future(found)
        ]

    async def close(self) -> None:
        """Leave the lookups that still hang to themselves."""

    def _complete(self, found: "Future[Sequence[AddrInfo]]", host: str, port: int) -> None:
        if not found.set_running_or_notify_cancel():
            return
        try:
            found.set_result(self._lookup(host, port))
        except OSError as error:
            found.set_exception(error)
        except UnicodeError as error:  # Labels that are empty or too long.
            found.set_exception(OSError(errno.EINVAL, str(error)))
