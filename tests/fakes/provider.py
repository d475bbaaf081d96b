"""An HTTP server for fakes of providers, in a thread or in a process of its own, with faults on demand.

What a fake makes of a request is its own matter; here is what can befall any request on its way, and what came of each.
"""

import asyncio
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

T = TypeVar("T")
CONTROL = "/control/"
"""Below this path a test in another process asks for ``model`` and ``received``, and puts ``faults``."""

# Closing such a socket sends RST instead of FIN.
_LINGER_NOT = struct.pack("ii", 1, 0)
_REASON = {200: "OK", 201: "Created", 202: "Accepted", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; header names in lower case, ``at`` in seconds of the server's monotonic clock."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    at: float = 0.0

    @property
    def document(self) -> Any:
        """The body, read as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered: a text, or JSON. With *is_refusal* nothing was taken, whatever the status."""

    status: int
    body: str | dict[str, Any] = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_refusal: bool = False


class Provider(Protocol):
    """What a fake is: it answers, and has a state to look at."""

    def answer(self, request: Request) -> Response:
        """Return the answer to *request*, which is handled by that."""
        ...

    def model(self) -> Any:
        """Return the state, a dataclass of JSON's types."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What befalls requests: shares of all of them, and times in seconds.

    Each waits for up to ``delay_s`` before it is handled. A target's timeout must be longer: what a sender has given up
    would still be handled, after what the sender did next, and no sender can do anything about that.
    """

    seed: int = 0
    delay_s: float = 0.0
    errors: float = 0.0
    """Answered 500, 502 or 503, not handled."""
    resets_before: float = 0.0
    """The connection breaks, not handled."""
    resets_after: float = 0.0
    """Handled, and then the connection breaks: the answer is lost."""
    silent: float = 0.0
    """Neither handled nor answered."""
    late: float = 0.0
    """Handled, but never answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came of one request: ``status`` is what the fake said, 0 when it never saw it.

    ``is_accepted`` says whether the provider took something, whatever its sender heard.
    """

    key: str
    path: str
    at: float
    status: int
    is_accepted: bool
    body: str = field(repr=False)


class ProviderServer:
    """A fake that is served. ``key`` in what it received is the header ``webhook-id``."""

    def __init__(self, provider: Provider, *, faults: Faults | None = None, port: int = 0) -> None:
        self.port = port
        self._provider = provider
        self._received: list[Received] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider", daemon=True)
        self._server: asyncio.Server | None = None
        self._never = asyncio.Event()
        self._befall(faults or Faults())

    @property
    def url(self) -> str:
        """Where it is served, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Received]:
        """What came of every request, in the order in which they were handled or given up."""
        return list(self._received)

    @property
    def accepted(self) -> list[Received]:
        """What the provider took, in its order."""
        return [each for each in self.received if each.is_accepted]

    def model(self) -> Any:
        """Return the fake's state."""

        async def look() -> Any:
            return self._provider.model()

        return self._run(look())

    def befall(self, faults: Faults) -> None:
        """Let *faults* befall the requests from now on."""
        self._loop.call_soon_threadsafe(self._befall, faults)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._run(self._listen())

    def close(self) -> None:
        """End everything."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _befall(self, faults: Faults) -> None:
        self._faults, self._random = faults, random.Random(faults.seed)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # For the sockets of those tasks to be closed.

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while (request := await _read(reader)) is not None:
                response = self._controlled(request) or await self._respond(request)
                if response is None:
                    _reset(writer)
                    return
                writer.write(_rendered(response))
                await writer.drain()
        writer.close()

    async def _respond(self, request: Request) -> Response | None:
        """Return what is answered; None when the connection breaks."""
        faults, roll = self._faults, self._random.random()
        await asyncio.sleep(self._random.random() * faults.delay_s)
        if (roll := roll - faults.silent) < 0:
            self._note(request)
            await self._never.wait()
        if (roll := roll - faults.resets_before) < 0:
            self._note(request)
            return None
        if (roll := roll - faults.errors) < 0:
            self._note(request)
            return Response(status=self._random.choice([500, 502, 503]), body="<html>try later</html>")
        response = self._provider.answer(request)
        self._note(request, response)
        if (roll := roll - faults.late) < 0:
            await self._never.wait()
        return None if roll - faults.resets_after < 0 else response

    def _note(self, request: Request, response: Response | None = None) -> None:
        status = 0 if response is None else response.status
        is_refusal = request.method == "GET" or response is None or response.is_refusal
        self._received.append(
            Received(
                key=request.headers.get("webhook-id", ""),
                path=request.path,
                at=request.at,
                status=status,
                is_accepted=200 <= status < 300 and not is_refusal,
                body=request.body.decode("utf-8", "replace"),
            )
        )

    def _controlled(self, request: Request) -> Response | None:
        match request.path.removeprefix(CONTROL) if request.path.startswith(CONTROL) else "":
            case "":
                return None
            case "model":
                return Response(status=200, body={"model": asdict(self._provider.model())})
            case "received":
                return Response(status=200, body={"received": [asdict(each) for each in self._received]})
            case "faults":
                self._befall(Faults(**request.document))
                return Response(status=200)
        return Response(status=404)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        running: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return running.result(10)


@contextmanager
def serving(provider: Provider, *, faults: Faults | None = None, port: int = 0) -> Iterator[ProviderServer]:
    """Yield *provider*, served by a thread on a free port, or on *port*."""
    server = ProviderServer(provider, faults=faults, port=port)
    server.start()
    try:
        yield server
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request of a connection; None when it ends."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = head[0].split(" ", 2)
    parts = urlsplit(target)
    return Request(
        method=method,
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers=headers,
        body=body,
        at=time.monotonic(),
    )


def _rendered(response: Response) -> bytes:
    is_text = isinstance(response.body, str)
    body = (response.body if isinstance(response.body, str) else json.dumps(response.body)).encode()
    headers = {
        "Content-Type": "text/plain" if is_text else "application/json",
        "Content-Length": str(len(body)),
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status} {_REASON.get(response.status, 'Else')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
