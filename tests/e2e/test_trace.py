"""One trace follows an alert from the webhook to the delivery."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fakes.inbox import Inbox
from tests.fakes.otlp import collector
from tests.payloads import alert, webhook
from tests.processes import free_ports, until
from tests.suites import Suite


def _watched(suite: Suite) -> int:
    """Return what a watch of history's health says first."""
    with grpc.insecure_channel(suite.grpc["history"]) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
        status: int = next(watch).status
        return status


@pytest.mark.parametrize("form", ["allinone", "services"])
def test_one_trace_from_the_webhook_to_the_delivery(suite: Suite, inbox: Inbox, form: str) -> None:
    with collector() as spans:
        traced = Suite(
            suite.folder,
            form=form,
            env={
                "ALERTHISTORY_PUBLISHER_TARGETS_FILE": suite.env["ALERTHISTORY_PUBLISHER_TARGETS_FILE"],
                "ALERTHISTORY_OTLP_ENDPOINT": spans.address,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            },
        )
        with traced.running() as program:
            assert _watched(traced) == health_pb2.HealthCheckResponse.SERVING
            traced.http.post("/webhook", json=webhook([alert("Traced")]))
            (delivered,) = until(lambda: inbox.of("Traced"), saying="the alert is delivered")
            assert program.stop() == 0
        trace_id = bytes.fromhex(delivered.headers["traceparent"].split("-")[1])
        assert not [span.name for _, span in spans.spans if "grpc.health" in span.name], "probes are nobody's request"
        mine = [(service, span) for service, span in spans.spans if span.trace_id == trace_id]
    names = {span.name for _, span in mine}
    assert {"ingest payload", "process alert", "deliver"} <= names
    assert any("RecordAlerts" in name for name in names)
    assert any("ClassifyAlert" in name for name in names)
    assert any("PublishAlerts" in name for name in names)
    roots = [span for _, span in mine if not span.parent_span_id]
    assert [span.name for span in roots] == ["POST /webhook"]
    ids = {span.span_id for _, span in mine}
    assert all(span.parent_span_id in ids for _, span in mine if span.parent_span_id), "the tree is whole"
    if form == "services":
        assert {service for service, _ in mine} == {
            f"alerthistory-{name}" for name in ("gateway", "ingest", "history", "classifier", "publisher")
        }


def test_a_dead_collector_delays_neither_delivery_nor_the_end(suite: Suite, inbox: Inbox) -> None:
    (nobody,) = free_ports(1)
    suite.env["ALERTHISTORY_OTLP_ENDPOINT"] = f"http://127.0.0.1:{nobody}"
    with suite.running() as program:
        suite.http.post("/webhook", json=webhook([alert("Traced")]))
        until(lambda: inbox.of("Traced"), within_s=5, saying="the alert is delivered")
        assert program.stop(within_s=10) == 0
