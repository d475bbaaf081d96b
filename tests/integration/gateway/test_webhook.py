"""``POST /webhook``: what is stored, what is answered, and what happens when it cannot be stored."""

import asyncio
import gzip
import json
import re
import socket
import time
from collections.abc import Callable
from functools import partial

import grpc
import pytest

from alerthistory.ingest.v1 import ingest_service_pb2 as pb2
from tests.fakes.fake_suite import FakeSuite
from tests.integration.gateway.conftest import Gateway, OpenGateway
from tests.integration.gateway.raw import ask, connected

BODY = b'{"alerts":[{"status":"firing","labels":{"alertname":"HighLatency"}}]}'


async def _until(condition: Callable[[], object], *, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_stored_webhook_is_answered_with_the_count_and_the_time_of_receipt(gateway: Gateway) -> None:
    before = time.time()
    answer = await gateway.client.post("/webhook", content=BODY)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(rb'\{"status":"success","processed":1,"timestamp":\d+\.\d{1,6}\}', answer.content)
    assert before - 0.001 <= answer.json()["timestamp"] <= time.time()


async def test_ingest_gets_the_bytes_as_sent_and_who_sent_them(gateway: Gateway) -> None:
    sent = b' {"alerts":[{"labels":{"a":"\xd0\xb0\\u0000\xc2\x85"}}]}\n'
    await gateway.client.post("/webhook", content=sent, headers={"content-type": "text/plain"})
    (payload,) = gateway.suite.ingest.payloads
    assert payload.body == sent
    assert payload.format == pb2.PAYLOAD_FORMAT_ALERTMANAGER
    assert payload.sender == "127.0.0.1"
    assert abs(payload.received_at.seconds - time.time()) < 10


async def test_rejected_payload_is_400_with_the_reason(gateway: Gateway) -> None:
    text = "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
    gateway.suite.ingest.judge = lambda _: pb2.PayloadResult(rejection=text)
    answer = await gateway.client.post("/webhook", content=b"\xff")
    assert answer.status_code == 400
    assert answer.content == b'{"detail":"%s"}' % text.encode()


async def test_refused_alerts_do_not_count_as_processed(gateway: Gateway) -> None:
    answer = await gateway.client.post("/webhook", json={"alerts": [{"labels": {"alertname": "A"}}, 5, "x"]})
    assert answer.status_code == 200
    assert answer.json()["processed"] == 1


async def test_gzip_is_passed_on_as_it_is_because_content_encoding_is_ignored(gateway: Gateway) -> None:
    sent = gzip.compress(BODY)
    await gateway.client.post("/webhook", content=sent, headers={"content-encoding": "gzip"})
    assert gateway.suite.ingest.payloads[0].body == sent


async def test_sixty_four_concurrent_webhooks_become_few_calls(gateway: Gateway) -> None:
    ingest = gateway.suite.ingest
    ingest.gate.clear()
    tasks = [
        asyncio.create_task(gateway.client.post("/webhook", json={"alerts": [{"labels": {"alertname": f"A{i}"}}] * i}))
        for i in range(64)
    ]
    await _until(lambda: _in_hand(gateway) == 64)
    ingest.gate.set()
    answers = await asyncio.gather(*tasks)
    assert [answer.json()["processed"] for answer in answers] == list(range(64))
    assert len(ingest.payloads) == 64
    assert len(ingest.calls) <= 6


async def test_client_that_leaves_does_not_cancel_the_storing(gateway: Gateway) -> None:
    ingest = gateway.suite.ingest
    ingest.gate.clear()
    async with connected(gateway.port) as connection:
        await connection.send(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
        await _until(lambda: ingest.calls)
    ingest.gate.set()
    await _until(lambda: ingest.stored == 1)


async def test_body_that_breaks_off_is_not_stored(gateway: Gateway) -> None:
    async with connected(gateway.port) as connection:
        await connection.send(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + BODY)
        await _until(lambda: _in_hand(gateway) == 1)
    await _until(lambda: _in_hand(gateway) == 0)
    assert gateway.suite.ingest.calls == []


async def test_announced_body_above_the_limit_is_413_before_it_is_sent(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, max_body_bytes=2048) as gateway, connected(gateway.port) as connection:
        await connection.send(
            b"POST /webhook HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2049\r\n\r\n"
        )
        answer = await connection.answer()
    assert answer.status == 413
    assert answer.body == b'{"detail":"the request body is larger than 2048 bytes"}'


async def test_chunked_body_above_the_limit_is_413_and_one_at_the_limit_is_stored(
    suite: FakeSuite, opened: OpenGateway
) -> None:
    async with opened(suite, max_body_bytes=2048) as gateway:
        head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        fitting = BODY.ljust(2048)
        async with connected(gateway.port) as connection:
            for size in (1, 1000, 1047):
                await connection.send(head + b"%x\r\n%s\r\n" % (size, fitting[:size]))
                head, fitting = b"", fitting[size:]
            await connection.send(b"0\r\n\r\n")
            assert (await connection.answer()).status == 200
        head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with connected(gateway.port) as connection:
            await connection.send(head + b"400\r\n" + b" " * 1024 + b"\r\n401\r\n" + b" " * 1025 + b"\r\n")
            answer = await connection.answer()
            assert answer.status == 413
            # The rest is swallowed, and the connection goes on.
            await connection.send(b"5\r\n12345\r\n0\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await connection.answer()).status == 404
    assert len(suite.ingest.payloads) == 1


async def test_body_that_does_not_arrive_in_time_is_503(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, request_timeout_s=0.2) as gateway, connected(gateway.port) as connection:
        await connection.send(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        answer = await connection.answer()
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert suite.ingest.calls == []


async def test_headers_without_end_are_cut_off(gateway: Gateway) -> None:
    async with connected(gateway.port) as connection:
        await connection.send(b"GET /history HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1234567890\r\n" * 6000)
        assert (await connection.until_closed()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.slow
async def test_headers_that_drip_are_cut_off(gateway: Gateway) -> None:
    async with connected(gateway.port) as connection:
        await connection.send(b"GET /history HTTP/1.1\r\nHost: x\r\nX-A: ")
        assert await connection.until_closed(within_s=15) == b""


async def test_with_ingest_away_the_answer_is_503_within_the_limit(idle_suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(idle_suite, webhook_timeout_s=0.3) as gateway:
        started = time.monotonic()
        answer = await gateway.client.post("/webhook", content=BODY)
        took = time.monotonic() - started
    assert answer.status_code == 503
    assert answer.content == b'{"detail":"the ingest service does not answer; try again"}'
    assert int(answer.headers["retry-after"]) >= 1
    assert took < 1


async def test_ingest_that_comes_back_in_time_loses_nothing(idle_suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(idle_suite) as gateway:
        waiting = asyncio.create_task(gateway.client.post("/webhook", content=BODY))
        await _until(lambda: _in_hand(gateway) == 1)
        async with idle_suite.running():
            assert (await waiting).status_code == 200


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.UNAVAILABLE, 503),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 503),
        (grpc.StatusCode.INTERNAL, 500),
        (grpc.StatusCode.INVALID_ARGUMENT, 500),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 500),
    ],
)
async def test_failed_call_is_5xx_and_keeps_its_text_to_itself(
    gateway: Gateway, code: grpc.StatusCode, status: int
) -> None:
    gateway.suite.ingest.error = (code, "secret 10.0.0.1:7051")
    answer = await gateway.client.post("/webhook", content=BODY)
    assert answer.status_code == status
    assert "secret" not in answer.text


async def test_too_many_webhooks_in_hand_are_refused_at_once(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, webhook_concurrency=2) as gateway:
        suite.ingest.gate.clear()
        waiting = [asyncio.create_task(gateway.client.post("/webhook", content=BODY)) for _ in range(2)]
        await _until(lambda: _in_hand(gateway) == 2)
        refused = await gateway.client.post("/webhook", content=BODY)
        of_a_page = await gateway.client.post("/webhook", content=BODY, headers={"origin": "https://example.org"})
        looked_at = await gateway.client.get("/healthz")
        suite.ingest.gate.set()
        answers = await asyncio.gather(*waiting)
        after = await gateway.client.post("/webhook", content=BODY)
    assert refused.status_code == of_a_page.status_code == 503
    assert refused.headers["retry-after"] == of_a_page.headers["retry-after"] == "1"
    assert refused.content == of_a_page.content
    assert of_a_page.headers["access-control-allow-origin"] == "*"
    assert looked_at.status_code == 200
    assert [answer.status_code for answer in (*answers, after)] == [200, 200, 200]


async def test_too_many_bytes_in_hand_are_refused_at_once(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, max_pending_bytes=1500) as gateway:
        suite.ingest.gate.clear()
        waiting = asyncio.create_task(gateway.client.post("/webhook", content=BODY.ljust(1024)))
        await _until(lambda: suite.ingest.calls)
        refused = await gateway.client.post("/webhook", content=BODY.ljust(1024))
        suite.ingest.gate.set()
        assert (await waiting).status_code == 200
        assert refused.status_code == 503
        assert (await gateway.client.post("/webhook", content=BODY.ljust(1024))).status_code == 200


async def test_clients_are_asked_to_close_once_the_process_leaves(gateway: Gateway) -> None:
    assert "connection" not in (await gateway.client.post("/webhook", content=BODY)).headers
    gateway.component.leave()
    assert (await gateway.client.post("/webhook", content=BODY)).headers["connection"] == "close"


async def test_drain_answers_what_is_in_flight_and_takes_nothing_new(gateway: Gateway) -> None:
    ingest = gateway.suite.ingest
    ingest.gate.clear()
    waiting = asyncio.create_task(gateway.client.post("/webhook", content=BODY))
    await _until(lambda: ingest.calls)
    draining = asyncio.ensure_future(gateway.component.drain())
    await _until(lambda: not _accepts(gateway.port))
    assert not draining.done()
    ingest.gate.set()
    assert (await waiting).status_code == 200
    await draining


async def test_traceless_webhook_carries_no_traceparent(gateway: Gateway) -> None:
    await gateway.client.post("/webhook", content=BODY)
    assert gateway.suite.ingest.payloads[0].traceparent == ""


async def test_large_webhooks_go_alone_and_small_ones_together_within_the_batch_size(
    suite: FakeSuite, opened: OpenGateway
) -> None:
    async with opened(suite, batch_kib=8, batches_in_flight=1) as gateway:
        suite.ingest.gate.clear()
        large = json.dumps({"alerts": [{"labels": {"alertname": "x" * 20_000}}]}).encode()
        tasks = [asyncio.create_task(gateway.client.post("/webhook", content=BODY))]
        await _until(lambda: suite.ingest.calls)
        for count, body in enumerate([large, *[BODY] * 16], start=2):
            tasks.append(asyncio.create_task(gateway.client.post("/webhook", content=body)))
            await _until(partial(_has_in_hand, gateway, count))
        suite.ingest.gate.set()
        await asyncio.gather(*tasks)
    assert [len(call.payloads) for call in suite.ingest.calls] == [1, 1, 8, 8]


async def test_request_of_a_webhook_path_is_never_redirected(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "POST", "/webhook", "X-Forwarded-Proto: https", body=BODY)
    assert answer.status == 200


def _in_hand(gateway: Gateway) -> float:
    return gateway.registry.get_sample_value("alerthistory_gateway_webhooks_in_hand") or 0


def _has_in_hand(gateway: Gateway, count: int) -> bool:
    return _in_hand(gateway) == count


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
