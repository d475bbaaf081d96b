"""The gateway as a process: its port, its settings, its traces, its end."""

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from alerthistory_common.settings import SettingsError
from alerthistory_common.telemetry import open_telemetry
from alerthistory_gateway.settings import GatewaySettings
from tests.fakes.fake_suite import FakeSuite
from tests.fakes.otlp import collector
from tests.integration.gateway.conftest import OpenGateway
from tests.processes import Program, answers, free_ports, script, until

BODY = b'{"alerts":[{"labels":{"alertname":"A"}}]}'
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_taken_port_is_named_with_the_variable_that_changes_it(
    idle_suite: FakeSuite, opened: OpenGateway
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port}.*ALERTHISTORY_GATEWAY_PORT"):
            await opened(idle_suite, port=port).__aenter__()


def test_port_is_read_from_the_legacy_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9099")
    assert GatewaySettings().port == 9099
    monkeypatch.setenv("ALERTHISTORY_GATEWAY_PORT", "9098")
    assert GatewaySettings().port == 9098


async def test_trace_of_a_webhook_goes_on_into_the_call(suite: FakeSuite, opened: OpenGateway) -> None:
    with collector() as spans:
        async with (
            open_telemetry("gateway", spans.address) as telemetry,
            opened(suite, telemetry=telemetry) as gateway,
        ):
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "baggage": "a=b"}
            await gateway.client.post("/webhook", content=BODY, headers=headers)
    assert suite.ingest.payloads[0].traceparent.split("-")[1] == TRACE
    assert suite.ingest.metadata[0]["traceparent"].split("-")[1] == TRACE
    assert "baggage" not in suite.ingest.metadata[0]
    names = {span.name for _, span in spans.spans if span.trace_id.hex() == TRACE}
    assert {"POST /webhook", "forward webhooks"} <= names


async def test_batch_of_several_webhooks_has_a_trace_of_its_own_that_links_to_theirs(
    suite: FakeSuite, opened: OpenGateway
) -> None:
    with collector() as spans:
        async with (
            open_telemetry("gateway", spans.address) as telemetry,
            opened(suite, telemetry=telemetry, batches_in_flight=1) as gateway,
        ):
            suite.ingest.gate.clear()
            tasks = [asyncio.create_task(gateway.client.post("/webhook", content=BODY)) for _ in range(3)]
            while (gateway.registry.get_sample_value("alerthistory_gateway_webhooks_in_hand") or 0) < 3:
                await asyncio.sleep(0.01)
            suite.ingest.gate.set()
            await asyncio.gather(*tasks)
    (batch,) = [span for span in spans.named("forward webhooks") if span.links]
    assert {link.trace_id for link in batch.links} <= {span.trace_id for span in spans.named("POST /webhook")}
    assert batch.parent_span_id == b""
    assert len(batch.links) in {2, 3}  # Whether the first went ahead of the others is chance.


def test_program_serves_drains_and_exits(tmp_path: Path) -> None:
    port, rpc, metrics = free_ports(3)
    env = {
        "ALERTHISTORY_GATEWAY_PORT": str(port),
        "ALERTHISTORY_GATEWAY_GRPC_LISTEN": f"127.0.0.1:{rpc}",
        "ALERTHISTORY_GATEWAY_METRICS_LISTEN": f"127.0.0.1:{metrics}",
        "ALERTHISTORY_GATEWAY_REQUEST_TIMEOUT_S": "0.2",
    }
    program = Program(script("alerthistory-gateway"), env=env, log=tmp_path / "log")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            until(lambda: answers("/healthz", client), within_s=20, saying="the gateway answers")
            assert client.get("/readyz").status_code == 503
            assert client.get("/history").status_code == 503
            own = client.get(f"http://127.0.0.1:{metrics}/metrics").text
        assert 'alerthistory_gateway_http_requests_total{code="503",method="GET",route="/history"} 1.0' in own
        assert program.stop() == 0
    finally:
        program.process.kill()


def test_program_says_which_port_is_taken(tmp_path: Path) -> None:
    rpc, metrics = free_ports(2)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        env = {
            "ALERTHISTORY_GATEWAY_PORT": str(port),
            "ALERTHISTORY_GATEWAY_GRPC_LISTEN": f"127.0.0.1:{rpc}",
            "ALERTHISTORY_GATEWAY_METRICS_LISTEN": f"127.0.0.1:{metrics}",
        }
        program = Program(script("alerthistory-gateway"), env=env, log=tmp_path / "log")
        assert program.process.wait(20) == 2
    text = program.log.read_text()
    assert f"127.0.0.1:{port}" in text
    assert "ALERTHISTORY_GATEWAY_PORT" in text
