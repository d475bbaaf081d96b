"""Spans of reading and processing."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind

from alerthistory_common.alerts import AlertEvent
from alerthistory_common.telemetry import Telemetry, current_traceparent

_MAX_LINKS = 32


class SpanTracer:
    """Makes spans with *telemetry*."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    @contextmanager
    def reading(self, parent: str) -> Iterator[str]:
        """Run the block in a span below the traceparent *parent*; yields the traceparent of that span."""
        with self._telemetry.span("ingest payload", parent=parent):
            yield current_traceparent()

    @contextmanager
    def together(self, name: str, parents: Collection[str]) -> Iterator[None]:
        """Run the block in a span below *parents* when they are one traceparent, else in a new trace linked to them."""
        distinct = list(dict.fromkeys(filter(None, parents)))
        parent, linked = (distinct[0], []) if len(distinct) == 1 else ("", distinct[:_MAX_LINKS])
        with self._telemetry.span(name, parent=parent, linked=linked):
            yield

    @contextmanager
    def processing(self, event: AlertEvent, *, is_young: bool) -> Iterator[str]:
        """Run the block in a span of the trace that brought *event*, or in a new trace linked to it if it is old.

        Yields the traceparent of that span, empty when there is none.
        """
        parent, linked = (event.traceparent, ()) if is_young else ("", (event.traceparent,))
        facts = {"alerthistory.event_id": event.event_id, "alerthistory.event_kind": event.kind.value}
        with self._telemetry.span(
            "process alert", parent=parent, kind=SpanKind.CONSUMER, linked=linked, attributes=facts
        ):
            yield current_traceparent()
