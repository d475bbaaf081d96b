"""The dead are replayed: found by a filter, counted first, paced, with the keys they had; and no ghosts are raised."""

from datetime import timedelta
from typing import Any

import grpc
import pytest

from alerthistory.publisher.v1 import delivery_pb2, publisher_service_pb2
from alerthistory_common.alerts import EventKind, Fingerprint
from tests.events import event
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench, Publisher

DEAD = delivery_pb2.DELIVERY_STATE_DEAD
SUPERSEDED = delivery_pb2.DELIVERY_STATE_SUPERSEDED


async def replay(
    publisher: Publisher, *, is_dry_run: bool = False, rate: float = 1000, **wanted: Any
) -> publisher_service_pb2.ReplayDeliveriesResponse:
    request = publisher_service_pb2.ReplayDeliveriesRequest(
        filter=publisher_service_pb2.DeliveryFilter(**wanted), is_dry_run=is_dry_run, deliveries_per_second=rate
    )
    return await publisher.service.ReplayDeliveries(request, timeout=10)


async def kill(publisher: Publisher, ops: Receiver, *names: str) -> None:
    """Let the first deliveries of these alerts die."""
    ops.script.extend(Reply(status=400, body=b"No Such Thing 100%") for _ in names)
    for name in names:
        await publisher.publish(event(event_id=name, fingerprint=Fingerprint(name)))
    await publisher.dead(len(names))


async def test_a_dry_run_counts_and_a_replay_sends_with_the_same_keys(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        await kill(publisher, ops, "a", "b", "c")
        foreseen = await replay(publisher, is_dry_run=True)
        assert (foreseen.replayed_count, foreseen.superseded_count, foreseen.has_more) == (3, 0, False)
        assert len(await publisher.deliveries(state=DEAD)) == 3
        assert (await replay(publisher)).replayed_count == 3
        await publisher.delivered(3)
        assert (await replay(publisher)).replayed_count == 0
    keys = [request.headers["webhook-id"] for request in ops.requests]
    assert sorted(keys[:3]) == sorted(keys[3:])


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"target": "ops"}, 2),
        ({"target": "else"}, 0),
        ({"fingerprint": "a"}, 1),
        ({"last_result_contains": "no such thing 100%"}, 2),
        ({"last_result_contains": "no such_thing"}, 0),
        ({"ordered_before": {"seconds": 1}}, 0),
        ({"ordered_since": {"seconds": 1}}, 2),
        ({"state": delivery_pb2.DELIVERY_STATE_DELIVERED}, 2),
    ],
)
async def test_what_is_replayed_is_filtered(bench: Bench, ops: Receiver, wanted: dict[str, Any], count: int) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        await kill(publisher, ops, "a", "b")
        assert (await replay(publisher, is_dry_run=True, **wanted)).replayed_count == count


async def test_a_replay_is_spread_over_time(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        await kill(publisher, ops, "a", "b", "c")
        answer = await replay(publisher, rate=0.1)
        await publisher.delivered(1)
        pending = await publisher.deliveries(state=delivery_pb2.DELIVERY_STATE_PENDING)
        due = sorted(each.next_attempt_at.ToDatetime() for each in pending)
        assert [due[1] - due[0], len(due)] == [timedelta(seconds=10), 2]
        assert answer.last_due_at.ToDatetime() == due[-1]


async def test_a_dead_beginning_does_not_rise_after_its_end_was_told(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        await kill(publisher, ops, "a")
        await publisher.publish(event(event_id="end", fingerprint=Fingerprint("a"), kind=EventKind.RESOLVED))
        await publisher.delivered(1)
        assert (await replay(publisher, is_dry_run=True)).superseded_count == 1
        answer = await replay(publisher)
        assert (answer.replayed_count, answer.superseded_count) == (0, 1)
        (ghost,) = await publisher.deliveries(state=SUPERSEDED)
        assert ghost.event_id == "a"
    assert len(ops.requests) == 2


@pytest.mark.parametrize("rate", [-1, 0.001, 1001, float("nan")])
async def test_a_rate_that_cannot_be_kept_is_refused(bench: Bench, rate: float) -> None:
    async with bench.publisher() as publisher:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await replay(publisher, rate=rate)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
