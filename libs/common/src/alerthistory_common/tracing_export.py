"""Sending spans to a collector over OTLP."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from uuid import uuid4

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import aio_client_interceptors, aio_server_interceptor, filters
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_FLUSH_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What makes spans that are sent, and what makes spans of calls."""

    provider: TracerProvider
    server_interceptors: Sequence[grpc.aio.ServerInterceptor]
    client_interceptors: Sequence[grpc.aio.ClientInterceptor]


@asynccontextmanager
async def open_export(service: str, endpoint: str) -> AsyncIterator[Export]:
    """Yield what sends the spans of *service* to the OTLP/gRPC *endpoint*; leaving flushes, for a moment at most."""
    resource = Resource.create(
        {
            "service.name": f"alerthistory-{service}",
            "service.version": _version(),
            "service.instance.id": uuid4().hex,
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://")))
    )
    # Probes are nobody's request; and a traced stream must be an async generator, which that of health is not.
    is_traced = filters.negate(filters.health_check())
    try:
        yield Export(
            provider=provider,
            server_interceptors=[aio_server_interceptor(provider, filter_=is_traced)],  # type: ignore[no-untyped-call]
            client_interceptors=aio_client_interceptors(provider, filter_=is_traced),  # type: ignore[no-untyped-call]
        )
    finally:
        await _shut_down(provider)


async def _shut_down(provider: TracerProvider) -> None:
    """Flush within the limit. The thread is a daemon: a hanging collector must not keep the process alive."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def flush() -> None:
        provider.shutdown()
        loop.call_soon_threadsafe(done.set)

    threading.Thread(target=flush, daemon=True).start()
    try:
        async with asyncio.timeout(_FLUSH_LIMIT_S):
            await done.wait()
    except TimeoutError:
        return


def _version() -> str:
    try:
        return version("alerthistory-common")
    except PackageNotFoundError:
        return "unknown"
