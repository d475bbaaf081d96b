"""A TCP port in front of a Unix socket, which can stop to pass anything on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class Relay:
    """Passes bytes between TCP and a Unix socket, unless it is stopped; what comes back may take *delay_s* longer."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._passes = asyncio.Event()
        self._passes.set()
        self.port = 0
        self.delay_s = 0.0

    def stop(self) -> None:
        """Pass nothing on, as a server that hangs."""
        self._passes.clear()

    def go_on(self) -> None:
        """Pass on what came meanwhile, and all that comes."""
        self._passes.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        with suppress(OSError):
            there, back = await asyncio.open_unix_connection(str(self._socket))
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer, is_answer=True))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool = False) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._passes.wait()
                if is_answer and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def relaying(socket: Path) -> AsyncIterator[Relay]:
    """Yield a relay to *socket* on a free port of loopback."""
    relay = Relay(socket)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.go_on()
        server.close()
