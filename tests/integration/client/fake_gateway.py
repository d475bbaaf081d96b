"""A gateway that takes webhooks and does nothing with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FakeGateway:
    """Takes webhooks over HTTP and answers with one status after another, the last one for good."""

    def __init__(self, *statuses: int) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self._statuses = list(statuses)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Yield the address."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        self.paths.append(head.split()[1])
        self.bodies.append(await reader.readexactly(int(fields.get("content-length", "0"))))
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
