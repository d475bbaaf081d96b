"""Traces: one from the webhook to the delivery, over RPCs and over rows that wait in a table.

Without an endpoint nothing is recorded and nothing is paid. An unreachable collector costs spans, never time: the
queue is bounded, and the flush at the end has a deadline of its own.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


class Telemetry:
    """Makes the spans of one service, and of the calls that it serves and makes."""

    def __init__(
        self,
        provider: trace.TracerProvider,
        *,
        server_interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        client_interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        self.provider = provider
        self.server_interceptors = server_interceptors
        self.client_interceptors = client_interceptors
        self._tracer = provider.get_tracer("alerthistory")

    @property
    def is_enabled(self) -> bool:
        """Whether spans are sent anywhere."""
        return bool(self.server_interceptors)

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


def current_traceparent() -> str:
    """Return the W3C traceparent of the current span, empty when there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


def disabled() -> Telemetry:
    """Return a Telemetry that records nothing."""
    return Telemetry(trace.NoOpTracerProvider())


@asynccontextmanager
async def open_telemetry(service: str, endpoint: str) -> AsyncIterator[Telemetry]:
    """Yield the Telemetry of *service*, sending to the OTLP/gRPC *endpoint*; disabled when that is empty.

    The standard variables ``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER`` and their kin work too.
    """
    endpoint = endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not endpoint:
        yield disabled()
        return
    from alerthistory_common import tracing_export  # It takes much memory and time to import.

    async with tracing_export.open_export(service, endpoint) as export:
        yield Telemetry(
            export.provider,
            server_interceptors=export.server_interceptors,
            client_interceptors=export.client_interceptors,
        )


def _context_of(traceparent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=Context())
