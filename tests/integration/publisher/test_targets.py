"""Targets over gRPC, the start with wrong ones, draining, and traces."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from alerthistory.publisher.v1 import delivery_pb2, target_service_pb2
from alerthistory_common.settings import SettingsError
from alerthistory_common.telemetry import Telemetry
from tests.events import event
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench, eventually

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


async def test_targets_are_shown_without_their_secrets(bench: Bench, ops: Receiver) -> None:
    url = ops.url.replace("s3cr3t-path", "s3cr3t-path-of-a-hook")
    secrets = {"headers": {"Authorization": "Bearer s3cr3t"}, "filter": {"namespaces": ["prod"]}}
    bench.configure({"name": "ops", "url": url, "send_resolved": False, **secrets}, {"name": "b", "url": url})
    async with bench.publisher() as publisher:
        answer = await publisher.targets.ListTargets(target_service_pb2.ListTargetsRequest())
        one = await publisher.targets.GetTarget(target_service_pb2.GetTargetRequest(name="ops"))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await publisher.targets.GetTarget(target_service_pb2.GetTargetRequest(name="opps"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert one.target == answer.targets[0]
    assert json.loads(one.target.filter_json)["filter"]["namespaces"] == ["prod"]
    assert [each.name for each in answer.targets] == ["ops", "b"]
    assert answer.targets[0].address == f"http://127.0.0.1:{ops.port}"
    assert not answer.targets[0].sends_resolved
    assert answer.targets[0].url == f"http://127.0.0.1:{ops.port}/hooks/***?token=***"
    assert "s3cr3t" not in str(answer)


async def test_wrong_targets_fail_the_start(bench: Bench) -> None:
    bench.configure({"name": "ops", "url": "nonsense"}, {"name": "b", "urll": "http://b"})
    with pytest.raises(SettingsError) as raised:
        async with bench.publisher():
            pytest.fail("it started")
    assert len(raised.value.problems) == 3


async def test_refreshed_targets_are_told_at_once_and_wrong_ones_are_refused(bench: Bench, ops: Receiver) -> None:
    bench.configure()
    request = target_service_pb2.RefreshTargetsRequest()
    async with bench.publisher() as publisher:
        bench.configure({"name": "ops", "url": ops.url})
        assert len((await publisher.targets.RefreshTargets(request)).targets) == 1
        bench.configure({"name": "Bad", "url": "s3cr3t"})
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await publisher.targets.RefreshTargets(request)
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "target 1 ('Bad'): name: must consist of" in str(raised.value.details())
        assert "s3cr3t" not in str(raised.value.details())
        assert await publisher.publish(event()) == [["ops"]]
        await publisher.delivered()


async def test_draining_lets_sends_finish_and_claims_nothing_more(bench: Bench, ops: Receiver) -> None:
    gate = asyncio.Event()
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(gate=gate))
    async with bench.publisher() as publisher:
        await publisher.publish(event(event_id="1"))
        await eventually(_received(ops, 1), saying="the send began")
        draining = asyncio.ensure_future(publisher.component.drain())
        await publisher.publish(event(event_id="2", fingerprint="b"))
        gate.set()
        await draining
        states = [each.state for each in await publisher.deliveries()]
    assert states == [delivery_pb2.DELIVERY_STATE_PENDING, delivery_pb2.DELIVERY_STATE_DELIVERED]


async def test_draining_hands_back_what_does_not_finish(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "timeout_s": 60})
    ops.script.append(Reply(gate=asyncio.Event()))
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        await eventually(_received(ops, 1), saying="the send began")
        await publisher.component.drain()
        (left,) = await publisher.deliveries()
        assert "interrupted" in left.last_result
    async with bench.publisher() as successor:
        await successor.delivered()
    assert len({request.headers["webhook-id"] for request in ops.requests}) == 1


async def test_the_first_attempt_continues_the_trace_and_a_retry_links_to_it(bench: Bench, ops: Receiver) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(status=500))
    async with bench.publisher(telemetry=Telemetry(provider)) as publisher:
        await publisher.publish(event(traceparent=TRACEPARENT))
        await publisher.delivered()
    first, second = [span for span in exporter.get_finished_spans() if span.name == "deliver"]
    assert first.parent is not None
    assert f"{first.parent.trace_id:032x}" == TRACE_ID
    assert second.parent is None
    assert f"{second.links[0].context.trace_id:032x}" == TRACE_ID
    passed_on = [request.headers["traceparent"].split("-")[1] for request in ops.requests]
    made = [span.get_span_context() for span in (first, second)]
    assert passed_on == [f"{each.trace_id:032x}" for each in made if each is not None]
    assert not any("s3cr3t" in str(dict(span.attributes or {})) for span in (first, second))
    provider.shutdown()


async def test_upkeep_tells_how_many_wait_and_died(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(status=404))
    async with bench.publisher(backoff=timedelta(hours=1)) as publisher:
        await publisher.publish(event())
        await publisher.dead()

        async def is_told() -> bool:
            return publisher.metric("alerthistory_publisher_dead_deliveries") == 1

        await eventually(is_told, saying="the gauge shows the dead delivery")
        assert publisher.metric("alerthistory_publisher_deliveries_total", target="ops", state="dead") == 1


def _received(receiver: Receiver, count: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return len(receiver.requests) >= count

    return enough
