"""Test alerts: sent once, marked, answered whatever happens, and never kept."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from alerthistory.publisher.v1 import target_service_pb2 as pb2
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench, Publisher


async def try_out(publisher: Publisher, target: str = "ops", **fields: Any) -> pb2.TestTargetResponse:
    return await publisher.targets.TestTarget(pb2.TestTargetRequest(target=target, **fields), timeout=10)


async def test_our_own_alert_is_sent_once_and_marked(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "enabled": False, "headers": {"X-Team": "a"}})
    async with bench.publisher() as publisher:
        answer = await try_out(publisher)
        assert await publisher.deliveries() == []
    assert (answer.is_delivered, answer.status_code, answer.problem) == (True, 200, "")
    (request,) = ops.requests
    assert (request.headers["x-alert-history-test"], request.headers["x-team"]) == ("true", "a")
    alert = request.document["alert"]
    assert alert["labels"] == {"alertname": "TestAlert", "severity": "info", "source": "alert-history-test"}
    description = {"description": "Test alert for target ops", "summary": "Publishing target test"}
    assert alert["annotations"] == description
    assert (alert["status"], alert["generator_url"]) == ("firing", "http://alert-history/test")
    assert alert["fingerprint"].startswith("test-ops-1")


async def test_a_given_alert_is_sent_in_the_format_of_the_target(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "format": "pagerduty", "routing_key": "k3y-k3y"})
    given = {
        "status": "resolved",
        "labels": {"alertname": "Mine", "n": 5},
        "fingerprint": "fp",
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "nonsense",
    }
    async with bench.publisher() as publisher:
        assert (await try_out(publisher, alert_json=json.dumps(given).encode())).is_delivered
    document = ops.requests[0].document
    assert (document["event_action"], document["dedup_key"], document["routing_key"]) == ("resolve", "fp", "k3y-k3y")
    assert document["payload"]["timestamp"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("reply", "status", "problem"),
    [
        (Reply(status=500, body=b"s3cr3t-query broke"), 500, "HTTP 500: "),
        (Reply(is_reset=True), 0, "the connection broke"),
        (Reply(gate=asyncio.Event()), 0, "no answer within 1 s"),
    ],
)
async def test_a_target_that_fails_is_an_answer(
    bench: Bench, ops: Receiver, reply: Reply, status: int, problem: str
) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(reply)
    async with bench.publisher() as publisher:
        answer = await try_out(publisher, timeout=Duration(seconds=1))
    assert (answer.is_delivered, answer.status_code) == (False, status)
    assert answer.problem.startswith(problem)
    assert "s3cr3t-path" not in answer.problem
    assert len(ops.requests) == 1


async def test_a_target_that_is_not_there_is_an_answer(bench: Bench) -> None:
    bench.configure({"name": "ops", "url": "http://127.0.0.1:1/s3cr3t"})
    async with bench.publisher() as publisher:
        answer = await try_out(publisher)
    assert (answer.is_delivered, answer.problem) == (False, "no connection to http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("target", "fields", "code"),
    [
        ("nope", {}, grpc.StatusCode.NOT_FOUND),
        ("ops", {"timeout": Duration(seconds=301)}, grpc.StatusCode.INVALID_ARGUMENT),
        ("ops", {"timeout": Duration()}, grpc.StatusCode.INVALID_ARGUMENT),
        ("ops", {"alert_json": b"{"}, grpc.StatusCode.INVALID_ARGUMENT),
        ("ops", {"alert_json": b"[]"}, grpc.StatusCode.INVALID_ARGUMENT),
        ("ops", {"alert_json": b'{"labels":[1]}'}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_cannot_be_tested_is_refused(
    bench: Bench, ops: Receiver, target: str, fields: dict[str, Any], code: grpc.StatusCode
) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await try_out(publisher, target, **fields)
    assert raised.value.code() is code
    assert ops.requests == []
