"""A receiver of webhooks for tests: it records requests, and answers as it is told, however badly."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.connections import listening


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came in; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How to answer one request: after *gate* opens, with *status*; *is_reset* breaks the connection instead.

    With *hangs_after* the answer stops for good after so many bytes of its body.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    gate: asyncio.Event | None = None
    is_reset: bool = False
    hangs_after: int | None = None


class Receiver:
    """A running receiver. *script* answers the next requests; when it is used up, *usual* does."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.script: deque[Reply] = deque()
        self.usual: Callable[[Request], Reply] = lambda _: Reply()

    @property
    def url(self) -> str:
        """An address here, with something secret in its path."""
        return f"http://127.0.0.1:{self.port}/hooks/s3cr3t-path?token=s3cr3t-query"

    def documents(self) -> list[Any]:
        """Return the bodies received so far, read as JSON."""
        return [request.document for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a connection, then close it."""
        try:
            request = await _read(reader)
            self.requests.append(request)
            reply = self.script.popleft() if self.script else self.usual(request)
            if reply.gate is not None:
                await reply.gate.wait()
            if reply.is_reset:
                writer.transport.abort()
                return
            writer.write(_rendered(reply))
            await writer.drain()
            if reply.hangs_after is not None:
                await asyncio.Event().wait()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Yield a receiver on a free port; leaving ends it and whatever hangs in it."""
    running = Receiver()
    async with listening(running.serve) as running.port:
        yield running


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(path=head[0].split(" ")[1], headers=headers, body=body)


def _rendered(reply: Reply) -> bytes:
    headers = {"Content-Length": str(len(reply.body)), "Connection": "close", **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body[: reply.hangs_after]
