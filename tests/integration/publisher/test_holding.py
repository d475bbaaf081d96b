"""What is held back: told later, or superseded when its alert ends before; and never lost."""

from datetime import timedelta

from alerthistory.publisher.v1 import delivery_pb2, publisher_service_pb2
from alerthistory_common import alert_codec
from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint
from tests.events import event
from tests.fakes.receiver import Receiver
from tests.publishers import Bench, Publisher, eventually

RESOLVED = EventKind.RESOLVED
PENDING = delivery_pb2.DELIVERY_STATE_PENDING
SUPERSEDED = delivery_pb2.DELIVERY_STATE_SUPERSEDED


async def states(publisher: Publisher) -> list[tuple[str, str]]:
    """Return the event and state of every delivery, oldest first."""
    found = reversed(await publisher.deliveries())
    return [
        (each.event_id, delivery_pb2.DeliveryState.Name(each.state).removeprefix("DELIVERY_STATE_")) for each in found
    ]


async def told(publisher: Publisher, *events: AlertEvent) -> list[list[str]]:
    """Publish one by one, as the pipeline does."""
    return [(await publisher.publish(each))[0] for each in events]


async def test_a_second_firing_is_told_when_its_window_is_over(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "deduplication_window_s": 300})
    async with bench.publisher() as publisher:
        await told(publisher, event(event_id="1"), event(event_id="2", kind=RESOLVED))
        await publisher.delivered(2)
        assert await told(publisher, event(event_id="3", kind=EventKind.REFIRED)) == [["ops"]]
        (held,) = await publisher.deliveries(state=PENDING)
        assert held.decision.startswith("deduplication_window: ")
        assert len(ops.requests) == 2
        bench.watch.ahead = timedelta(seconds=301)
        await publisher.delivered(3)
    assert len(ops.requests) == 3


async def test_what_ends_while_it_is_held_back_is_not_told_and_visible(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "deduplication_window_s": 300})
    async with bench.publisher() as publisher:
        await told(publisher, event(event_id="1"), event(event_id="2", kind=RESOLVED))
        await publisher.delivered(2)
        flapping = event(event_id="3", kind=EventKind.REFIRED), event(event_id="4", kind=RESOLVED)
        assert await told(publisher, *flapping) == [["ops"], []]
        assert await states(publisher) == [
            ("1", "DELIVERED"),
            ("2", "DELIVERED"),
            ("3", "SUPERSEDED"),
            ("4", "SUPERSEDED"),
        ]
        assert await told(publisher, event(event_id="5", kind=EventKind.REFIRED)) == [["ops"]]
        assert len(await publisher.deliveries(state=PENDING)) == 1
        bench.watch.ahead = timedelta(seconds=301)
        await publisher.delivered(3)
    assert len(ops.requests) == 3


async def test_in_one_call_as_in_several(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "deduplication_window_s": 300})
    events = [
        event(event_id="1"),
        event(event_id="2", kind=RESOLVED),
        event(event_id="3", kind=EventKind.REFIRED),
        event(event_id="4", kind=RESOLVED),
        event(event_id="5", fingerprint=Fingerprint("other")),
    ]
    async with bench.publisher() as publisher:
        assert await publisher.publish(*events) == [["ops"], ["ops"], ["ops"], [], ["ops"]]
        await publisher.delivered(3)
        assert [state for _, state in await states(publisher)].count("SUPERSEDED") == 2
        # What is in the answer of the first call is what was decided then; the third was superseded since.
        assert await publisher.publish(*events) == [["ops"], ["ops"], [], [], ["ops"]]


async def test_what_a_worker_has_already_is_followed_by_its_end(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url, "deduplication_window_s": 300})
    async with bench.publisher() as publisher:
        await told(publisher, event(event_id="1"), event(event_id="2", kind=RESOLVED))
        await publisher.delivered(2)
        await told(publisher, event(event_id="3", kind=EventKind.REFIRED))
        bench.watch.ahead = timedelta(seconds=301)
        await publisher.delivered(3)
        await told(publisher, event(event_id="4", kind=RESOLVED))
        await publisher.delivered(4)
    assert [each["alert"]["status"] for each in ops.documents()] == ["firing", "resolved"] * 2


async def test_an_explanation_tells_all_targets_and_changes_nothing(
    bench: Bench, ops: Receiver, audit: Receiver
) -> None:
    bench.configure(
        {"name": "ops", "url": ops.url},
        {"name": "prod", "url": audit.url, "filter": {"namespaces": ["prod"]}},
        {"name": "off", "url": audit.url, "enabled": False},
    )
    publication = publisher_service_pb2.Publication(event=alert_codec.event_message(event()))
    request = publisher_service_pb2.ExplainPublishRequest(publication=publication)
    async with bench.publisher() as publisher:
        found = (await publisher.service.ExplainPublish(request, timeout=10)).explanations
        assert [(each.target, each.decided_by) for each in found] == [
            ("ops", "default"),
            ("prod", "filter.namespaces"),
            ("off", "enabled"),
        ]
        assert found[0].action == publisher_service_pb2.PUBLISH_ACTION_SEND
        assert all(each.reason for each in found)
        assert await publisher.deliveries() == []
        await publisher.publish(event())
        again = (await publisher.service.ExplainPublish(request, timeout=10)).explanations
        assert again[0].action == publisher_service_pb2.PUBLISH_ACTION_HOLD
    assert eventually is not None
