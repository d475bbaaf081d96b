"""A TCP proxy that misbehaves on demand, in front of a real server.

It runs in a thread of its own, so that what it stands between may be in this process or in others. Each fault lasts
until ``heal``.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Upstream: TypeAlias = Path | int
_CHUNK = 65536
# Closing such a socket sends RST instead of FIN.
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Faults:
    """What is wrong now. Times in seconds, rates in bytes per second, counts in bytes of answers."""

    delay_s: float = 0.0
    bytes_per_s: float = 0.0
    cut_after: int | None = None


class FaultProxy:
    """Passes bytes between ``port`` of loopback and a server that listens on a Unix socket or another port of it."""

    def __init__(self, upstream: Upstream) -> None:
        self.port = 0
        self._upstream = upstream
        self._faults = _Faults()
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._passes = asyncio.Event()
        self._passes.set()
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def refuse(self) -> None:
        """Listen no more, and reset what is open, as a machine does whose server died."""
        self._run(self._close_listener())
        self.reset()

    def hang(self) -> None:
        """Accept connections and bytes, and pass nothing on."""
        self._call(self._passes.clear)

    def reset(self) -> None:
        """Break every open connection with RST, now; new ones are served."""
        self._call(lambda: self._each(_Connection.reset))

    def half_close(self) -> None:
        """Tell the clients that the server has said all, and go on listening to them; new ones are served."""
        self._call(lambda: self._each(_Connection.half_close))

    def delay(self, seconds: float) -> None:
        """Let every answer come *seconds* later."""
        self._faults.delay_s = seconds

    def throttle(self, bytes_per_s: float) -> None:
        """Let each connection's answers come at that rate at most."""
        self._faults.bytes_per_s = bytes_per_s

    def cut_after(self, count: int) -> None:
        """End each connection after *count* further bytes of answers, in the middle of whatever they say."""
        self._faults.cut_after = count

    def heal(self) -> None:
        """Pass on all that was held back, and all that comes."""
        self._faults = _Faults()
        if self._server is None:
            self._run(self._listen())
        self._call(self._passes.set)

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        self._run(self._listen())

    def close(self) -> None:
        """End everything."""
        self._run(self._close_listener())
        self._run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # For the sockets of those tasks to be closed.

    def _each(self, what: "Callable[[_Connection], None]") -> None:
        for connection in list(self._connections):
            what(connection)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            there, connection.back = await self._connect()
            passing_on = asyncio.ensure_future(self._pass_on(reader, connection.back))
            await self._pass_answers(there, writer)
            passing_on.cancel()
        except (OSError, asyncio.CancelledError):
            return  # Nobody waits for this task; asyncio would log that it was cancelled.
        finally:
            self._connections.discard(connection)
            connection.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, Path):
            return await asyncio.open_unix_connection(str(self._upstream))
        return await asyncio.open_connection("127.0.0.1", self._upstream)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(_CHUNK):
                await self._passes.wait()
                sink.write(data)
                await sink.drain()
            sink.write_eof()
        except OSError:  # The client broke the connection: the server must hear of it.
            sink.transport.abort()

    async def _pass_answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass answers on until the server has said all, each as much later as it has to be, and none later still."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(source, queue))
            await self._send(queue, sink)
            reading.cancel()

    async def _read(self, source: asyncio.StreamReader, queue: "asyncio.Queue[tuple[float, bytes]]") -> None:
        data = b"?"
        while data:
            try:
                data = await source.read(_CHUNK)
            except OSError:
                data = b""
            await queue.put((self._loop.time() + self._faults.delay_s, data))

    async def _send(self, queue: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter) -> None:
        sent = 0
        with suppress(OSError, RuntimeError):  # The latter after half of it was closed.
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                await self._passes.wait()
                limit = self._faults.cut_after
                part = data if limit is None else data[: max(0, limit - sent)]
                sink.write(part)
                await sink.drain()
                sent += len(part)
                if not data or len(part) < len(data):
                    return
                if self._faults.bytes_per_s:
                    await asyncio.sleep(len(data) / self._faults.bytes_per_s)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        running: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return running.result(10)

    def _call(self, what: Callable[[], object]) -> None:
        async def call() -> None:
            what()

        self._run(call())


class _Connection:
    """One open connection: the client's side, and the server's."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.back: asyncio.StreamWriter | None = None

    def reset(self) -> None:
        client: socket.socket = self.client.get_extra_info("socket")
        with suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.client.transport.abort()
        if self.back is not None:
            self.back.transport.abort()

    def half_close(self) -> None:
        with suppress(OSError):
            self.client.write_eof()

    def close(self) -> None:
        for writer in (self.client, self.back):
            if writer is not None:
                writer.close()


@contextmanager
def fault_proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    """Yield a proxy in front of *upstream*, a Unix socket or a port of loopback, that as yet does no harm."""
    proxy = FaultProxy(upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        proxy.close()
