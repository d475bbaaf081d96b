"""A canary: listens where nothing of ours may connect to, and counts whoever does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class Canary:
    """What came to ``port``, on the addresses that it listens on: the first bytes of every connection."""

    def __init__(self) -> None:
        self.port = 0
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Remember one connection, and answer it as a web server would."""
        self.heard.append(b"")
        place = len(self.heard) - 1
        try:
            self.heard[place] = await reader.read(65536)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def open_canary(*addresses: str) -> AsyncIterator[Canary]:
    """Yield a canary that listens on one port of all *addresses*; 127.0.0.1 and ::1 when none are given."""
    canary = Canary()
    async with AsyncExitStack() as stack:
        for address in addresses or ("127.0.0.1", "::1"):
            server = await asyncio.start_server(canary.serve, address, canary.port)
            canary.port = server.sockets[0].getsockname()[1]
            stack.callback(server.close)
        yield canary
