"""The gRPC server of a process: health, reflection, interceptors, and an end within the grace period."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from alerthistory_common.channels import MAX_MESSAGE_BYTES
from alerthistory_common.component import Component
from alerthistory_common.interceptors import Anonymous, AuthInterceptor, CallInterceptor, DeadlineInterceptor
from alerthistory_common.metrics import CallMetrics
from alerthistory_common.settings import CommonSettings, SettingsError
from alerthistory_common.telemetry import Telemetry

_LOG = structlog.get_logger(__name__)
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_READY_INTERVAL_S = 1.0
_UNREADY_INTERVAL_S = 0.1
_TURN_S = 0.02
_QUIET_TURNS = 15
OPTIONS: list[tuple[str, int]] = [
    # Without this a second process on the same port starts, and takes half the connections.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


class RpcServer:
    """A running gRPC server that serves components."""

    def __init__(self, server: grpc.aio.Server, calls: CallInterceptor, checks: health.aio.HealthServicer) -> None:
        self._server = server
        self._calls = calls
        self._checks = checks

    async def turn_unready(self) -> None:
        """Answer every health check with NOT_SERVING from now on."""
        await self._checks.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those in flight finish, and cancel what is left after *grace_s*.

        ``Server.stop`` alone would wait the whole grace for an open health watch. Calls that were on their way when
        clients learned that we leave are still taken, and count when they begin.
        """
        stopping = asyncio.ensure_future(self._server.stop(grace_s))
        quiet_turns = 0  # Not seconds: on a busy machine calls take turns of the loop to begin.
        while quiet_turns < _QUIET_TURNS and not stopping.done():
            quiet_turns = 0 if self._calls.in_flight else quiet_turns + 1
            await asyncio.sleep(_TURN_S)
        await self._server.stop(0)
        await stopping


@asynccontextmanager
async def serve(
    components: Sequence[Component],
    *,
    address: str,
    settings: CommonSettings,
    registry: CollectorRegistry,
    telemetry: Telemetry,
) -> AsyncIterator[RpcServer]:
    """Yield a started server for *components* on *address*; leaving stops it within the grace period.

    Raises SettingsError when the address cannot be bound.
    """
    calls = CallInterceptor(CallMetrics(registry))
    server = grpc.aio.server(
        interceptors=[
            *telemetry.server_interceptors,
            calls,
            DeadlineInterceptor(),
            AuthInterceptor(Anonymous()),
        ],
        options=OPTIONS,
    )
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    services = {component: component.register(server) for component in components}
    if settings.reflection:
        names = [name for names in services.values() for name in names]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    _bind(server, address)
    await server.start()
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(_watch_readiness(checks, services))
        rpc_server = RpcServer(server, calls, checks)
        try:
            yield rpc_server
        finally:
            watch.cancel()
            await rpc_server.stop(settings.drain_grace_s)


@contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """Yield what the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def forget() -> None:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)

    def end() -> None:
        stop.set()
        forget()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, end)
    try:
        yield stop
    finally:
        forget()


async def drain(components: Sequence[Component], server: RpcServer, settings: CommonSettings) -> None:
    """Turn unready, and drain *components* from the last to the first, within the grace period."""
    _LOG.info("draining", grace_s=settings.drain_grace_s)
    await server.turn_unready()
    for component in components:
        component.leave()
    await asyncio.sleep(settings.drain_delay_s)
    try:
        async with asyncio.timeout(settings.drain_grace_s):
            for component in reversed(components):
                await component.drain()
    except TimeoutError:
        _LOG.warning("drain took longer than the grace period", grace_s=settings.drain_grace_s)


def _bind(server: grpc.aio.Server, address: str) -> None:
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise SettingsError([f"cannot listen on {address}: it is in use, or not ours to use"]) from error


async def _watch_readiness(checks: health.aio.HealthServicer, services: dict[Component, tuple[str, ...]]) -> None:
    while True:
        all_ready = True
        for component, names in services.items():
            is_ready = await _is_ready(component)
            all_ready = all_ready and is_ready
            for name in names:
                await checks.set(name, _status(is_ready))
        await checks.set("", _status(all_ready))
        await asyncio.sleep(_READY_INTERVAL_S if all_ready else _UNREADY_INTERVAL_S)


async def _is_ready(component: Component) -> bool:
    try:
        return await component.is_ready()
    except Exception as error:  # noqa: BLE001  # Whoever cannot tell is not ready; the others must not suffer.
        _LOG.error("a readiness check broke", component=component.name, exc_info=error)
        return False


def _status(is_ready: bool) -> health_pb2.HealthCheckResponse.ServingStatus.ValueType:
    return health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
