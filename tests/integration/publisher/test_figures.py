"""What the publisher says about itself: counts by target, and whether it publishes at all."""

from datetime import timedelta

import pytest

from alerthistory.publisher.v1 import publisher_service_pb2 as pb2
from alerthistory.publisher.v1 import target_service_pb2
from alerthistory_common.alerts import Fingerprint
from tests.events import event
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench, Publisher


async def stats(publisher: Publisher) -> list[pb2.TargetStats]:
    return list((await publisher.service.GetStats(pb2.GetStatsRequest(), timeout=10)).targets)


async def status(publisher: Publisher) -> pb2.GetStatusResponse:
    return await publisher.service.GetStatus(pb2.GetStatusRequest(), timeout=10)


async def test_deliveries_are_counted_by_target(bench: Bench, ops: Receiver, audit: Receiver) -> None:
    bench.configure({"name": "quiet", "url": ops.url, "enabled": False}, {"name": "ops", "url": ops.url})
    ops.script.extend([Reply(status=404), Reply(), Reply()])
    async with bench.publisher(backoff=timedelta(hours=1)) as publisher:
        for number in "12":
            await publisher.publish(event(event_id=number, fingerprint=Fingerprint(number)))
        await publisher.delivered()
        await publisher.dead()
        (made,) = await publisher.delivered()
    bench.configure({"name": "zeta", "url": audit.url}, {"name": "alpha", "url": audit.url})
    audit.script.append(Reply(status=503))
    async with bench.publisher(backoff=timedelta(hours=1)) as other:
        await other.publish(event(event_id="3", fingerprint=Fingerprint("3")))
        await other.delivered(2)
        found = await stats(other)
    assert [each.target for each in found] == ["zeta", "alpha", "ops"]
    assert [(each.delivered + each.pending, each.dead) for each in found] == [(1, 0), (1, 0), (1, 1)]
    assert found[2].last_delivered_at == made.delivered_at
    assert sorted(each.HasField("last_delivered_at") for each in found) == [False, True, True]


async def test_a_target_without_deliveries_has_zeros(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        assert await stats(publisher) == [pb2.TargetStats(target="ops")]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (None, pb2.PUBLISHING_MODE_INTELLIGENT),
        ([], pb2.PUBLISHING_MODE_METRICS_ONLY),
        ([{"name": "ops", "url": "http://127.0.0.1:1"}], pb2.PUBLISHING_MODE_INTELLIGENT),
    ],
)
async def test_mode(bench: Bench, targets: list[dict[str, str]] | None, expected: pb2.PublishingMode.ValueType) -> None:
    if targets is not None:
        bench.configure(*targets)
    async with bench.publisher() as publisher:
        assert (await status(publisher)).mode == expected


async def test_only_a_refresh_on_demand_that_works_is_remembered(bench: Bench) -> None:
    bench.configure()
    async with bench.publisher() as publisher:
        assert not (await status(publisher)).HasField("targets_refreshed_at")
        await publisher.targets.RefreshTargets(target_service_pb2.RefreshTargetsRequest())
        assert (await status(publisher)).HasField("targets_refreshed_at")
