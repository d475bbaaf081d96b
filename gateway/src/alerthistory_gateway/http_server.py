"""The HTTP server: uvicorn inside our event loop, with bounds on headers and an orderly end."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from alerthistory_common.settings import SettingsError
from alerthistory_gateway.settings import GatewaySettings

_MAX_HEADER_BYTES = 64 * 1024
_HEADERS_WITHIN_S = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection; whoever sends endless headers, or sends them drop by drop, is cut off."""

    _header_bytes = 0
    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; the first request's headers must be complete in time."""
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._headers_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a request: its headers must be complete in time."""
        super().on_message_begin()
        self._header_bytes = 0
        self._expect_headers()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target; raising makes the answer 400 and closes the connection."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; raising makes the answer 400 and closes the connection."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start handling the request."""
        self._headers_came()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise ValueError("headers too large")

    def _expect_headers(self) -> None:
        self._headers_came()
        self._header_timer = self.loop.call_later(_HEADERS_WITHIN_S, self.transport.close)

    def _headers_came(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class HttpServer:
    """A server that answers requests."""

    def __init__(self, server: uvicorn.Server, serving: "asyncio.Task[None]") -> None:
        self._server = server
        self._serving = serving

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.server_state.connections)

    async def drain(self) -> None:
        """Refuse new connections, and return when the requests in flight are answered. May be cancelled."""
        self._server.should_exit = True
        await asyncio.wait([self._serving])

    async def stop(self) -> None:
        """Drop what is left."""
        self._server.should_exit = self._server.force_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        left = list(self._server.server_state.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@asynccontextmanager
async def serve_http(app: ASGIApp, listener: socket.socket, settings: GatewaySettings) -> AsyncIterator[HttpServer]:
    """Yield a server that answers with *app* to who connects to *listener*, which it closes at its end."""
    server = _Uvicorn(_configuration(app, settings))
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0.005)
        running = HttpServer(server, serving)
        try:
            yield running
        finally:
            await running.stop()


def _configuration(app: ASGIApp, settings: GatewaySettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=BoundedProtocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_s,
        reset_contextvars=True,
    )


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on *host* and *port*; raise SettingsError when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingsError(
            [
                f"cannot serve HTTP on {host}:{port}: {reason}; free that port, "
                f"or set {GatewaySettings.variable('port')} (and {GatewaySettings.variable('host')}) to another address"
            ]
        ) from error
