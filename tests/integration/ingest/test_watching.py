"""Readiness, figures, metrics and traces."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from alerthistory_common.telemetry import Telemetry
from tests.integration.ingest.harness import TIMEOUT_S, House, alert, open_house, payload, until, webhook

_TRACE = 0x0AF7651916CD43DD8448EB211C80319C
_PARENT = f"00-{_TRACE:032x}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def _telemetry(spans: InMemorySpanExporter) -> Telemetry:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    # Not enabled: the calls' own spans are not what these tests are about.
    return Telemetry(provider)


def _named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (span,) = [span for span in spans.get_finished_spans() if span.name == name]
    return span


async def _post(house: House, received_at: str = "") -> None:
    message = payload(webhook([alert("A")]), traceparent=_PARENT)
    if received_at:
        message.received_at.FromJsonString(received_at)
    await house.stub.IngestWebhook(pb.IngestWebhookRequest(payloads=[message]), timeout=TIMEOUT_S)


@pytest.mark.parametrize("spool_max_bytes", [0, 1 << 20])
async def test_ingest_is_ready_while_history_serves_or_the_spool_does(spool_max_bytes: int) -> None:
    async with open_house(spool_max_bytes=spool_max_bytes) as house:
        assert await house.component.is_ready()
        await house.stop_history()
        assert await house.component.is_ready() == bool(spool_max_bytes)


async def test_status_tells_what_is_in_the_pipeline() -> None:
    async with open_house(pipeline_slots=3) as house:
        house.classifier.gate.clear()
        await house.ingest(webhook(alert(f"A{n}") for n in range(5)))
        await until(lambda: len(house.classifier.events) == 3)
        status = await house.stub.GetStatus(pb.GetStatusRequest())
        assert (status.in_flight, status.capacity, status.completed) == (3, 3, 0)
        assert status.started_at.seconds > 0
        assert house.metric("alerthistory_ingest_pipeline_in_flight") == 3
        assert house.metric("alerthistory_ingest_pipeline_capacity") == 3
        house.classifier.gate.set()
        await until(lambda: len(house.history.verdicts) == 5)


async def test_metrics_count_payloads_alerts_and_work() -> None:
    async with open_house() as house:
        await house.ingest(webhook([alert("A")]), webhook([alert("B"), 7]), b"{")
        await until(lambda: len(house.history.verdicts) == 2)
        prefix = "alerthistory_ingest_"
        for line, value in {
            'payloads_total{format="alertmanager",outcome="accepted"}': 1,
            'payloads_total{format="alertmanager",outcome="partial"}': 1,
            'payloads_total{format="alertmanager",outcome="rejected"}': 1,
            'alerts_total{outcome="accepted"}': 2,
            'alerts_total{outcome="refused"}': 1,
            'stage_duration_seconds_count{stage="classify"}': 1,
            'stage_duration_seconds_count{stage="publish"}': 1,
            'stage_duration_seconds_count{stage="read"}': 3,
        }.items():
            assert house.metric(prefix + line) == value, line
        await until(lambda: house.metric(prefix + 'work_processed_total{outcome="completed"}') == 2)


async def test_a_young_event_stays_in_the_trace_that_brought_it(spans: InMemorySpanExporter) -> None:
    async with open_house(telemetry=_telemetry(spans)) as house:
        await _post(house)
        await until(lambda: len(house.history.verdicts) == 1)
    read, process = _named(spans, "ingest payload"), _named(spans, "process alert")
    assert read.parent is not None
    assert read.context.trace_id == process.context.trace_id == _TRACE
    assert process.parent is not None
    assert process.parent.span_id == read.context.span_id
    assert process.kind is SpanKind.CONSUMER
    assert house.history.reports[0].traceparent.split("-")[2] == f"{read.context.span_id:016x}"


async def test_an_old_event_begins_a_trace_of_its_own_with_a_link(spans: InMemorySpanExporter) -> None:
    async with open_house(telemetry=_telemetry(spans)) as house:
        await _post(house, received_at="2026-01-01T00:00:00Z")
        await until(lambda: len(house.history.verdicts) == 1)
    process = _named(spans, "process alert")
    assert process.parent is None
    assert process.context.trace_id != _TRACE
    assert [link.context.trace_id for link in process.links] == [_TRACE]


async def test_without_tracing_the_senders_trace_is_passed_on() -> None:
    async with open_house() as house:
        await _post(house)
        assert house.history.reports[0].traceparent == _PARENT
