"""A receiver that answers at once, in a process of its own: ``python -m tests.load.fast_receiver PORT``.

``GET`` gives how many posts came, and when the first and the last did, as JSON, in seconds of the machine's monotonic
clock; ``DELETE`` gives that, too, and begins to count anew.
"""

import asyncio
import json
import sys
import time
from abc import abstractmethod

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Arrivals:
    """What came since the count began."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self.count, self.first, self.last = 0, 0.0, 0.0

    def note(self) -> None:
        """Count a post."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.count += 1

    def told(self) -> bytes:
        """Return what came, as an answer."""
        body = json.dumps({"count": self.count, "first": self.first, "last": self.last}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One connection, kept as long as its sender wants; every request is answered at once."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = transport  # type: ignore[assignment]  # A TCP server makes transports that write.

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            _, _, after = self._held[:end].lower().partition(b"content-length:")
            size = end + 4 + int(after.split(b"\r\n", 1)[0] or b"0")
            if len(self._held) < size:
                return
            answer = self.answer(self._held.split(b" ", 1)[0], self._held[end + 4 : size])
            self._held = self._held[size:]
            if self._transport is not None:
                self._transport.write(answer)

    @abstractmethod
    def answer(self, method: bytes, body: bytes) -> bytes:
        """Return the answer to a request."""


class Counted(Connection):
    """A connection on which posts are counted."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__()
        self._arrivals = arrivals

    def answer(self, method: bytes, body: bytes) -> bytes:
        """Count a post; tell the count to who asks for it."""
        if method == b"POST":
            self._arrivals.note()
            return ANSWER
        told = self._arrivals.told()
        if method == b"DELETE":
            self._arrivals.begin()
        return told


async def _serve(port: int) -> None:
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(lambda: Counted(arrivals), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
