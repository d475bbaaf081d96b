"""The gRPC server of a process: errors, deadlines, health and the end of it, over a real socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status as grpc_rpc_status
from prometheus_client import CollectorRegistry

from alerthistory_common import channels
from alerthistory_common.component import Component
from alerthistory_common.deadlines import budget
from alerthistory_common.errors import (
    DrainingError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from alerthistory_common.metrics import metrics_port, new_registry
from alerthistory_common.server import RpcServer, serve
from alerthistory_common.settings import CommonSettings, SettingsError
from alerthistory_common.telemetry import disabled
from tests.processes import free_ports, short_folder

Behaviour = Callable[[str], Awaitable[str]]


def _component(behave: Behaviour, *, is_ready: Callable[[], bool] = lambda: True) -> Component:
    """Return a component whose service ``test.Echo`` behaves so, in all four arities."""

    async def unary(request: bytes, _: object) -> bytes:
        return (await behave(request.decode())).encode()

    async def stream_unary(requests: AsyncIterator[bytes], _: object) -> bytes:
        return b"".join([(await behave(request.decode())).encode() async for request in requests])

    async def unary_stream(request: bytes, _: object) -> AsyncIterator[bytes]:
        yield (await behave(request.decode())).encode()

    async def stream_stream(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        async for request in requests:
            yield (await behave(request.decode())).encode()

    def register(server: grpc.aio.Server) -> tuple[str, ...]:
        handlers: dict[str, Any] = {
            "UnaryUnary": grpc.unary_unary_rpc_method_handler(unary),
            "StreamUnary": grpc.stream_unary_rpc_method_handler(stream_unary),
            "UnaryStream": grpc.unary_stream_rpc_method_handler(unary_stream),
            "StreamStream": grpc.stream_stream_rpc_method_handler(stream_stream),
        }
        rule = {"CreateRule": handlers["UnaryUnary"]}
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("test.Echo", handlers),
                grpc.method_handlers_generic_handler("alerthistory.publisher.v1.FilterService", rule),
            )
        )
        return ("test.Echo",)

    async def ready() -> bool:
        return is_ready()

    return Component(name="echo", register=register, is_ready=ready)


@asynccontextmanager
async def _serving(component: Component, **settings: Any) -> AsyncIterator[tuple[RpcServer, Any]]:
    with short_folder() as folder:
        address = f"unix:{folder}/s"
        async with (
            serve(
                [component],
                address=address,
                settings=CommonSettings(**settings),
                registry=CollectorRegistry(),
                telemetry=disabled(),
            ) as server,
            channels.open_channel(address, disabled()) as channel,
        ):
            yield server, channel


async def _call_all(channel: Any, request: str, *, timeout_s: float = 5) -> list[grpc.aio.AioRpcError]:
    """Call all four arities and return the errors. The channel is untyped because its bytes are."""

    async def one() -> AsyncIterator[bytes]:
        yield request.encode()

    def exhaust(stream: Any) -> Awaitable[list[bytes]]:
        async def read() -> list[bytes]:
            return [part async for part in stream]

        return read()

    data = request.encode()
    calls = [
        channel.unary_unary("/test.Echo/UnaryUnary")(data, timeout=timeout_s),
        channel.stream_unary("/test.Echo/StreamUnary")(one(), timeout=timeout_s),
        exhaust(channel.unary_stream("/test.Echo/UnaryStream")(data, timeout=timeout_s)),
        exhaust(channel.stream_stream("/test.Echo/StreamStream")(one(), timeout=timeout_s)),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, grpc.aio.AioRpcError) for result in results), results
    return [result for result in results if isinstance(result, grpc.aio.AioRpcError)]


async def test_errors_carry_reason_facts_and_violations_in_every_arity() -> None:
    async def refuse(request: str) -> str:
        raise InvalidArgumentError("no", FieldViolation(field="a.b", description="must not"), size=request)

    async with _serving(_component(refuse)) as (_, channel):
        for error in await _call_all(channel, "7"):
            assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "no")
            status = grpc_rpc_status.from_call(error)
            assert status is not None
            info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            assert status.details[0].Unpack(info)
            assert status.details[1].Unpack(bad_request)
            assert (info.reason, info.domain, dict(info.metadata)) == (
                "INVALID_ARGUMENT",
                "alerthistory",
                {"size": "7"},
            )
            assert bad_request.field_violations[0].field == "a.b"


async def test_defects_are_hidden_behind_an_id_in_every_arity() -> None:
    async def fail(_: str) -> str:
        raise ValueError("secret pw=hunter2")

    async with _serving(_component(fail)) as (_, channel):
        for error in await _call_all(channel, "7"):
            assert error.code() == grpc.StatusCode.INTERNAL
            assert "hunter2" not in str(error)
            assert "internal error" in (error.details() or "")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (NotFoundError("gone", target="ops"), NotFoundError),
        (InvalidArgumentError("bad"), InvalidArgumentError),
        (ValueError("x"), InternalError),
    ],
)
async def test_call_raises_errors_of_the_tree(raised: Exception, expected: type[Exception]) -> None:
    async def fail(_: str) -> str:
        raise raised

    async with _serving(_component(fail)) as (_, channel):
        method: Any = channel.unary_unary("/test.Echo/UnaryUnary")
        with pytest.raises(expected):
            await channels.call(method, b"7", timeout_s=5)


@pytest.mark.parametrize(
    ("path", "raised", "attempts"),
    [
        ("/test.Echo/UnaryUnary", UnavailableError("later"), 1),
        ("/test.Echo/UnaryUnary", DrainingError("going"), 4),
        ("/alerthistory.publisher.v1.FilterService/CreateRule", DrainingError("going"), 1),
    ],
)
async def test_only_a_draining_server_is_asked_again_and_only_if_that_does_no_harm(
    path: str, raised: UnavailableError, attempts: int
) -> None:
    calls = []

    async def refuse(request: str) -> str:
        calls.append(request)
        raise raised

    async with _serving(_component(refuse)) as (_, channel):
        method: Any = channel.unary_unary(path)
        with pytest.raises(UnavailableError) as caught:
            await channels.call(method, b"7", timeout_s=10)
    assert len(calls) == attempts
    assert caught.value.retry_after.total_seconds() == 1


async def test_the_callers_deadline_is_known_inside_and_cancels_the_work() -> None:
    budgets: list[float] = []
    cancelled = asyncio.Event()

    async def stall(_: str) -> str:
        budgets.append(budget(60))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return ""

    async with _serving(_component(stall)) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/test.Echo/UnaryUnary")(b"", timeout=0.5)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(cancelled.wait(), 5)
    assert 0 < budgets[0] < 0.5


async def test_health_follows_readiness_and_flips_before_the_end() -> None:
    async def echo(request: str) -> str:
        return request

    ready = True
    async with _serving(_component(echo, is_ready=lambda: ready)) as (server, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="test.Echo"))
        seen = [await watch.read() for _ in range(1)]
        while seen[-1].status != health_pb2.HealthCheckResponse.SERVING:
            seen.append(await watch.read())
        ready = False
        assert (await asyncio.wait_for(watch.read(), 5)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        ready = True
        assert (await asyncio.wait_for(watch.read(), 5)).status == health_pb2.HealthCheckResponse.SERVING
        await server.turn_unready()
        assert (await asyncio.wait_for(watch.read(), 5)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()


async def test_a_readiness_check_that_breaks_means_not_ready() -> None:
    async def echo(request: str) -> str:
        return request

    broken = True

    def check() -> bool:
        if broken:
            raise LookupError("broken")
        return True

    async with _serving(_component(echo, is_ready=check)) as (_, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="test.Echo"))
        while (await asyncio.wait_for(watch.read(), 5)).status != health_pb2.HealthCheckResponse.NOT_SERVING:
            pass
        broken = False
        assert (await asyncio.wait_for(watch.read(), 5)).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


async def test_stopping_does_not_wait_for_an_open_health_watch() -> None:
    async def echo(request: str) -> str:
        return request

    async with _serving(_component(echo)) as (server, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        started = time.monotonic()
        await server.stop(20)
        assert time.monotonic() - started < 5


async def test_stopping_lets_a_call_in_flight_finish() -> None:
    entered, gate = asyncio.Event(), asyncio.Event()

    async def wait(request: str) -> str:
        entered.set()
        await gate.wait()
        return request

    async with _serving(_component(wait)) as (server, channel):
        call = channel.unary_unary("/test.Echo/UnaryUnary")(b"done", timeout=10)
        await entered.wait()
        stopping = asyncio.ensure_future(server.stop(10))
        await asyncio.sleep(0.1)
        gate.set()
        assert await call == b"done"
        await stopping


async def test_a_taken_address_is_a_settings_error() -> None:
    async def echo(request: str) -> str:
        return request

    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serve(
                [_component(echo)],
                address=f"127.0.0.1:{port}",
                settings=CommonSettings(),
                registry=CollectorRegistry(),
                telemetry=disabled(),
            ):
                pass


async def _reflected(channel: Any) -> set[str]:
    async def ask() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="*")

    answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(ask(), timeout=5)
    return {each.name for each in (await answers.read()).list_services_response.service}


async def test_reflection_is_offered_by_flag_only() -> None:
    async def echo(request: str) -> str:
        return request

    async with _serving(_component(echo), reflection=True) as (_, channel):
        assert "test.Echo" in await _reflected(channel)
    async with _serving(_component(echo)) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
            await _reflected(channel)


async def test_metrics_have_a_port_of_their_own_and_count_calls() -> None:
    async def echo(request: str) -> str:
        return request

    (port,) = free_ports(1)
    registry = new_registry()
    with short_folder() as folder, metrics_port(f"127.0.0.1:{port}", registry):
        async with (
            serve(
                [_component(echo)],
                address=f"unix:{folder}/s",
                settings=CommonSettings(),
                registry=registry,
                telemetry=disabled(),
            ),
            channels.open_channel(f"unix:{folder}/s", disabled()) as channel,
        ):
            method: Any = channel.unary_unary("/test.Echo/UnaryUnary")
            await method(b"x", timeout=5)
            async with httpx.AsyncClient(verify=False, trust_env=False) as client:
                text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert 'alerthistory_rpc_handled_total{code="OK",method="/test.Echo/UnaryUnary"} 1.0' in text
    assert "process_resident_memory_bytes" in text
