"""HTTP by hand, for what no decent client sends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple


class Answer(NamedTuple):
    """An answer as it came: its status, its headers in lower case, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection to a server on this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, *, within_s: float = 10.0, has_body: bool = True) -> Answer:
        """Return the next answer."""
        async with asyncio.timeout(within_s):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            length = int(headers.get("content-length", 0)) if has_body else 0
            return Answer(int(head[0].split()[1]), headers, await self._reader.readexactly(length))

    async def until_closed(self, *, within_s: float = 15.0) -> bytes:
        """Return what comes until the server closes the connection."""
        async with asyncio.timeout(within_s):
            return await self._reader.read()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Yield a connection to *port*; it is dropped at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


async def ask(port: int, method: str, target: str, *headers: str, body: bytes = b"", has_body: bool = True) -> Answer:
    """Return the answer to one request with exactly these headers, beside Host and the length of *body*."""
    lines = [f"{method} {target} HTTP/1.1", "Host: alert-history.local", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    async with connected(port) as connection:
        await connection.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return await connection.answer(has_body=has_body)
