"""Deliveries reach real receivers, in order, again and again until they are taken."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest

from alerthistory.publisher.v1 import delivery_pb2, publisher_service_pb2
from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant
from tests.events import FIRED_AT, event, verdict
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench, eventually

FAR = timedelta(hours=1)


async def test_event_is_delivered_once_to_every_target(bench: Bench, ops: Receiver, audit: Receiver) -> None:
    bench.configure(
        {"name": "ops", "url": ops.url, "headers": {"Authorization": "Bearer k3y-k3y"}},
        {"name": "audit", "url": audit.url},
    )
    async with bench.publisher() as publisher:
        told = await publisher.publish(event(), verdict=verdict())
        made = await publisher.delivered(2)
    assert told == [["ops", "audit"]]
    assert [len(each.requests) for each in (ops, audit)] == [1, 1]
    assert {each.target for each in made} == {"ops", "audit"}
    request = ops.requests[0]
    assert request.path == "/hooks/s3cr3t-path?token=s3cr3t-query"
    assert request.headers["authorization"] == "Bearer k3y-k3y"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "AlertHistory-Publisher/1.0"
    assert abs(int(request.headers["webhook-timestamp"]) - made[0].delivered_at.seconds) <= 5
    assert request.headers["webhook-id"] != audit.requests[0].headers["webhook-id"]
    assert request.document["classification"]["severity"] == "warning"


async def test_ordering_an_event_again_orders_nothing(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        for _ in range(3):
            assert await publisher.publish(event(), event()) == [["ops"], ["ops"]]
        await publisher.delivered()
        assert len(await publisher.deliveries()) == 1
    assert len(ops.requests) == 1


async def test_without_targets_nothing_is_published(bench: Bench) -> None:
    async with bench.publisher() as publisher:
        assert await publisher.publish(event()) == [[]]
        assert publisher.metric("alerthistory_publisher_events_total", kind="fired") == 1
        assert await publisher.deliveries() == []


async def test_failures_are_retried_with_the_same_key_until_taken(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.extend([Reply(status=500), Reply(status=503, body=b"busy\x00 now"), Reply(is_reset=True), Reply()])
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        made = await publisher.delivered()
    assert made[0].attempts == 4
    assert len({request.headers["webhook-id"] for request in ops.requests}) == 1
    assert len({request.body for request in ops.requests}) == 1


async def test_a_failed_delivery_waits_for_its_backoff(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(status=503, body=b"busy\x00now"))
    async with bench.publisher(backoff=FAR) as publisher:
        await publisher.publish(event())

        async def is_postponed() -> delivery_pb2.Delivery | None:
            (found,) = await publisher.deliveries()
            return found if found.last_status_code else None

        postponed = await eventually(is_postponed, saying="the first attempt failed")
        assert postponed.last_result == "HTTP 503: busy now"
        assert postponed.next_attempt_at.ToDatetime() - postponed.created_at.ToDatetime() >= FAR
        bench.watch.ahead = FAR + timedelta(seconds=5)
        await publisher.delivered()
    assert len(ops.requests) == 2


async def test_events_of_one_alert_wait_for_the_earlier_ones(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.usual = lambda request: Reply(status=503 if request.document["alert"]["name"] == "Broken" else 200)
    first, then = (event(event_id="1", alert_name="Broken"), _resolved(event_id="2", alert_name="Broken"))
    other = event(event_id="3", alert_name="Other", fingerprint=Fingerprint("b"))
    async with bench.publisher(backoff=FAR) as publisher:
        await publisher.publish(first, then, other)
        await publisher.delivered()
        assert [each["alert"]["status"] for each in ops.documents() if each["alert"]["name"] == "Broken"] == ["firing"]
        ops.usual = lambda _: Reply()
        bench.watch.ahead = FAR + timedelta(seconds=5)
        await publisher.delivered(3)
    told = [each["alert"]["status"] for each in ops.documents() if each["alert"]["name"] == "Broken"]
    assert told == ["firing", "firing", "resolved"]


async def test_a_dead_delivery_lets_the_next_one_pass(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(status=400))
    async with bench.publisher() as publisher:
        await publisher.publish(event(event_id="1"), _resolved(event_id="2"))
        await publisher.delivered()
    assert [each["alert"]["status"] for each in ops.documents()] == ["firing", "resolved"]


async def test_a_hanging_target_does_not_delay_another(bench: Bench, ops: Receiver, audit: Receiver) -> None:
    gate = asyncio.Event()
    bench.configure({"name": "hangs", "url": ops.url}, {"name": "audit", "url": audit.url})
    ops.usual = lambda _: Reply(gate=gate)
    events = [event(event_id=f"{n}", fingerprint=Fingerprint(f"{n}")) for n in range(30)]
    async with bench.publisher(target_concurrency=3) as publisher:
        await publisher.publish(*events)
        made = await publisher.delivered(30)
        assert {each.target for each in made} == {"audit"}
        assert len(ops.requests) == 3
        gate.set()
        await publisher.delivered(60)


async def test_a_target_that_does_not_answer_in_time_is_tried_again(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "timeout_s": 0.2})
    ops.script.append(Reply(gate=asyncio.Event()))
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        made = await publisher.delivered()
        outcome = {"target": "ops", "outcome": "ambiguous"}
        assert publisher.metric("alerthistory_publisher_attempts_total", **outcome) == 1
    assert made[0].attempts == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 413, 418, 422])
async def test_permanent_failures_are_dead_at_once(bench: Bench, ops: Receiver, status: int) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(status=status, headers={"Location": ops.url}))
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        dead = await publisher.dead()
    assert (dead[0].last_status_code, dead[0].attempts) == (status, 1)
    assert not dead[0].HasField("next_attempt_at")
    assert len(ops.requests) == 1


async def test_a_dead_delivery_can_be_revived_with_its_key(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(status=404))
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        dead = await publisher.dead()
        request = publisher_service_pb2.RetryDeliveriesRequest(delivery_ids=[dead[0].delivery_id, 999])
        assert (await publisher.service.RetryDeliveries(request)).retried_count == 1
        made = await publisher.delivered()
        assert (await publisher.service.RetryDeliveries(request)).retried_count == 0
    assert made[0].delivery_id == dead[0].delivery_id
    assert len({request.headers["webhook-id"] for request in ops.requests}) == 1


async def test_a_throttling_target_gets_nothing_until_it_is_ready(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.script.append(Reply(status=429, headers={"Retry-After": "60"}))
    async with bench.publisher(target_concurrency=1) as publisher:
        await publisher.publish(event(event_id="1"))

        async def is_throttled() -> bool:
            return (await publisher.deliveries())[0].last_status_code == 429

        await eventually(is_throttled, saying="the target throttled")
        await publisher.publish(event(event_id="2", fingerprint=Fingerprint("b")))
        bench.watch.ahead = timedelta(seconds=50)
        assert len(ops.requests) == 1
        bench.watch.ahead = timedelta(seconds=65)
        await publisher.delivered(2)


async def test_what_fails_for_too_long_is_given_up(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    ops.usual = lambda _: Reply(status=500)
    async with bench.publisher(backoff=FAR, max_age_s=7000) as publisher:
        await publisher.publish(event())

        async def has_tried() -> bool:
            return bool((await publisher.deliveries())[0].last_status_code)

        await eventually(has_tried, saying="the first attempt failed")
        bench.watch.ahead = FAR + timedelta(seconds=5)
        dead = await publisher.dead()
    assert dead[0].last_result.startswith("gave up, too old")
    assert len(ops.requests) == 2


async def test_an_alert_that_cannot_be_written_is_dead_and_holds_up_nothing(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        await publisher.publish(event(labels_json=b"{broken"), event(event_id="2", fingerprint=Fingerprint("b")))
        await publisher.delivered()
        (dead,) = await publisher.dead()
    assert "cannot be written" in dead.last_result
    assert len(ops.requests) == 1


async def test_resolves_go_only_where_they_are_wanted(bench: Bench, ops: Receiver) -> None:
    bench.configure(
        {"name": "ops", "url": ops.url},
        {"name": "quiet", "url": ops.url, "send_resolved": False},
        {"name": "off", "url": ops.url, "enabled": False},
    )
    async with bench.publisher() as publisher:
        told = await publisher.publish(
            event(event_id="1"), _resolved(event_id="2"), event(event_id="3", kind=EventKind.WENT_STALE)
        )
    assert told == [["ops", "quiet"], ["ops"], []]


async def test_odd_texts_survive_the_store(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    name, fingerprint = "nul \0 back\\slash \\0 ünï 💥", Fingerprint("\0")
    async with bench.publisher() as publisher:
        await publisher.publish(event(alert_name=name, fingerprint=fingerprint, labels={"a": "\0"}))
        (made,) = await publisher.delivered()
        assert len(await publisher.deliveries(fingerprint=fingerprint)) == 1
        assert await publisher.deliveries(target="no\0pe") == []
    assert (made.alert_name, made.fingerprint) == (name, fingerprint)
    assert ops.documents()[0]["alert"]["labels"] == {"a": "\0"}


async def test_what_a_receiver_echoes_reveals_no_secret(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "headers": {"Authorization": "Bearer k3y-k3y"}})
    ops.script.append(
        Reply(status=400, body=b"you sent Bearer k3y-k3y to /hooks/s3cr3t-path\x1b[31m " + b"x" * 100_000)
    )
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        (dead,) = await publisher.dead()
    assert "k3y" not in dead.last_result
    assert "s3cr3t" not in dead.last_result
    assert "\x1b" not in dead.last_result
    assert len(dead.last_result) <= 220


async def test_pages_list_every_delivery_once_newest_first(bench: Bench) -> None:
    bench.configure({"name": "ops", "url": "http://127.0.0.1:9/"})
    async with bench.publisher(backoff=FAR) as publisher:
        await publisher.publish(*[event(event_id=f"{n}", fingerprint=Fingerprint(f"{n}")) for n in range(7)])
        request = publisher_service_pb2.ListDeliveriesRequest(page_size=3)
        seen = []
        while True:
            page = await publisher.service.ListDeliveries(request)
            seen += [each.event_id for each in page.deliveries]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert seen == ["6", "5", "4", "3", "2", "1", "0"]
        request.filter.target = "ops"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await publisher.service.ListDeliveries(request)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_status_counts_what_stands_where(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url}, {"name": "off", "url": ops.url, "enabled": False})
    ops.script.extend([Reply(status=400), Reply(status=500), Reply()])
    async with bench.publisher(backoff=FAR, target_concurrency=1) as publisher:
        await publisher.publish(*[event(event_id=f"{n}", fingerprint=Fingerprint(f"{n}")) for n in range(3)])
        await publisher.delivered()
        status = await publisher.service.GetStatus(publisher_service_pb2.GetStatusRequest())
    assert (status.targets, status.enabled_targets) == (2, 1)
    assert (status.pending, status.delivered, status.dead) == (1, 1, 1)
    assert status.HasField("oldest_pending_age")


async def test_a_request_that_cannot_be_understood_is_refused_whole(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        good = publisher_service_pb2.Publication()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await publisher.service.PublishAlerts(publisher_service_pb2.PublishAlertsRequest(publications=[good]))
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert await publisher.deliveries() == []


def _resolved(**overrides: Any) -> AlertEvent:
    return event(kind=EventKind.RESOLVED, ends_at=Instant(FIRED_AT.micros + 60_000_000), **overrides)
