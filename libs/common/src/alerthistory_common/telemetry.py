"""Traces: one from the webhook to the delivery, over RPCs and over rows that wait in a table.

Without an endpoint nothing is recorded and nothing is paid. An unreachable collector costs spans, never time: the
queue is bounded, and the flush at the end has a deadline of its own.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import PackageNotFoundError, version
from uuid import uuid4

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import aio_client_interceptors, aio_server_interceptor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_FLUSH_LIMIT_S = 3.0
_PROPAGATOR = TraceContextTextMapPropagator()


class Telemetry:
    """Makes the spans of one service."""

    def __init__(self, provider: trace.TracerProvider, *, is_enabled: bool) -> None:
        self.provider = provider
        self.is_enabled = is_enabled
        self._tracer = provider.get_tracer("alerthistory")

    @contextmanager
    def span(
        self,
        name: str,
        *,
        parent: str = "",
        kind: SpanKind = SpanKind.INTERNAL,
        linked: Sequence[str] = (),
        attributes: Mapping[str, str | int] | None = None,
    ) -> Iterator[Span]:
        """Run the block in a span below the traceparent *parent*; without one, below the current span.

        *linked* are traceparents of other traces that the work belongs to.
        """
        context = _context_of(parent) if parent else None
        links = [Link(trace.get_current_span(_context_of(each)).get_span_context()) for each in linked if each]
        with self._tracer.start_as_current_span(
            name, context=context, kind=kind, links=links, attributes=attributes
        ) as span:
            yield span

    def server_interceptors(self) -> list[grpc.aio.ServerInterceptor]:
        """Return what makes a span of every call that is served."""
        return [_server_interceptor(self.provider)] if self.is_enabled else []

    def client_interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """Return what makes a span of every call that is made, and passes the trace on."""
        return _client_interceptors(self.provider) if self.is_enabled else []


def current_traceparent() -> str:
    """Return the W3C traceparent of the current span, empty when there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


def disabled() -> Telemetry:
    """Return a Telemetry that records nothing."""
    return Telemetry(trace.NoOpTracerProvider(), is_enabled=False)


@asynccontextmanager
async def open_telemetry(service: str, endpoint: str) -> AsyncIterator[Telemetry]:
    """Yield the Telemetry of *service*, sending to the OTLP/gRPC *endpoint*; disabled when that is empty.

    The standard variables ``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER`` and their kin work too.
    """
    endpoint = endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not endpoint:
        yield disabled()
        return
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
    try:
        yield Telemetry(provider, is_enabled=True)
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


def _context_of(traceparent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=Context())


def _version() -> str:
    try:
        return version("alerthistory-common")
    except PackageNotFoundError:
        return "unknown"


def _server_interceptor(provider: trace.TracerProvider) -> grpc.aio.ServerInterceptor:
    interceptor: grpc.aio.ServerInterceptor = aio_server_interceptor(tracer_provider=provider)  # type: ignore[no-untyped-call]
    return interceptor


def _client_interceptors(provider: trace.TracerProvider) -> list[grpc.aio.ClientInterceptor]:
    return list(aio_client_interceptors(tracer_provider=provider))  # type: ignore[no-untyped-call]
