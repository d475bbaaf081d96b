"""The queue: order per alert, leases, fencing, and what the past says."""

import asyncio

from google.protobuf.duration_pb2 import Duration
from sqlalchemy import URL

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1 import work_pb2
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Severity
from tests.integration.history.harness import TIMEOUT_S, History, at, firing, lease_of, resolved, running


async def _release(history: History, work: work_pb2.Work, delay_s: int = 0) -> None:
    request = pb.ReleaseWorkRequest(leases=[lease_of(work)], delay=Duration(seconds=delay_s))
    await history.stub.ReleaseWork(request, timeout=TIMEOUT_S)


async def test_of_one_alert_only_the_oldest_work_is_handed_out(history: History) -> None:
    await history.record(firing(), resolved(), firing(start_s=5, received_s=5), firing("b"))

    assert [work.event.fingerprint for work in await history.lease("a")] == ["a", "b"]
    assert await history.lease("b") == []


async def test_completing_hands_out_what_it_unblocks(history: History) -> None:
    await history.record(firing(), resolved(), firing("b"), resolved("b"))
    first = await history.lease("a")

    answer = await history.complete(*first, owner="a", capacity=1)

    assert [alert_codec.kind(work.event.kind).value for work in answer.work] == ["resolved"]
    assert [work.event.fingerprint for work in await history.lease("b")] == ["b"]


async def test_completing_without_capacity_hands_out_nothing(history: History) -> None:
    await history.record(firing(), resolved())

    assert not (await history.complete(*await history.lease("a"))).work
    assert len(await history.lease("b")) == 1


async def test_new_work_is_not_leased_at_once_while_an_older_one_is_pending(history: History) -> None:
    await history.record(firing())

    answer = await history.record(resolved(), firing("b"), lease_owner="a", lease_capacity=9)

    assert [work.event.fingerprint for work in answer.work] == ["b"]


async def test_verdicts_go_to_the_alert(history: History) -> None:
    await history.record(firing())
    (work,) = await history.lease()

    answer = await history.complete(work, severity=Severity.CRITICAL)

    assert not answer.outdated
    assert alert_codec.severity((await history.alert("a")).severity) is Severity.CRITICAL


async def test_no_verdict_keeps_the_known_one(history: History) -> None:
    await history.record(firing(), resolved())
    await history.complete(*await history.lease(), severity=Severity.NOISE)

    await history.complete(*await history.lease())

    assert alert_codec.severity((await history.alert("a")).severity) is Severity.NOISE


async def test_a_lease_that_is_over_is_taken_over_and_fences_the_first(history: History) -> None:
    await history.record(firing())
    (first,) = await history.lease("a")
    assert await history.lease("b") == []
    history.clock.advance(30)

    (second,) = await history.lease("b")
    late = await history.complete(first, severity=Severity.NOISE)

    assert (second.work_id, second.attempt) == (first.work_id, first.attempt + 1)
    assert list(late.outdated) == [lease_of(first)]
    assert alert_codec.severity((await history.alert("a")).severity) is None
    assert not (await history.complete(second, owner="b")).outdated


async def test_a_lease_that_is_over_counts_while_nobody_took_it(history: History) -> None:
    await history.record(firing())
    (work,) = await history.lease("a")
    history.clock.advance(3600)

    assert not (await history.complete(work)).outdated


async def test_completing_again_is_harmless(history: History) -> None:
    await history.record(firing(), resolved())
    (work,) = await history.lease()
    await history.complete(work)

    assert list((await history.complete(work)).outdated) == [lease_of(work)]
    assert len(await history.lease()) == 1


async def test_unknown_leases_are_outdated(history: History) -> None:
    unknown = work_pb2.Work(work_id=2**62, attempt=7)

    assert list((await history.complete(unknown)).outdated) == [lease_of(unknown)]


async def test_released_work_is_handed_out_again(history: History) -> None:
    await history.record(firing())
    (work,) = await history.lease("a")

    await _release(history, work)

    (again,) = await history.lease("b")
    assert again.attempt == work.attempt + 1
    assert list((await history.complete(work)).outdated) == [lease_of(work)]


async def test_work_released_with_a_delay_rests(history: History) -> None:
    await history.record(firing(), resolved())
    (work,) = await history.lease("a")

    await _release(history, work, delay_s=10)

    history.clock.advance(9.9)
    assert await history.lease("b") == []
    history.clock.advance(0.1)
    assert [each.work_id for each in await history.lease("b")] == [work.work_id]


async def test_an_outdated_release_is_ignored(history: History) -> None:
    await history.record(firing())
    (first,) = await history.lease("a")
    history.clock.advance(30)
    await history.lease("b")

    await _release(history, first)

    assert await history.lease("c") == []


async def test_work_is_handed_out_once_to_many_at_a_time(history: History, migrated_url: URL) -> None:
    async with running(migrated_url, history.clock) as peer:
        await history.record(*(firing(f"fp-{number}") for number in range(200)))

        async def drain(replica: History, owner: str) -> list[int]:
            found: list[int] = []
            while work := await replica.lease(owner, max_count=7):
                found += [each.work_id for each in work]
                await replica.complete(*work, owner=owner)
            return found

        taken = await asyncio.gather(*(drain(peer if n % 2 else history, f"o{n}") for n in range(8)))
        taken.append(await drain(history, "last"))

    handed_out = [work_id for some in taken for work_id in some]
    assert len(handed_out) == len(set(handed_out)) == 200


async def test_events_of_one_alert_pass_strictly_in_order_through_many_hands(
    history: History, migrated_url: URL
) -> None:
    passed: list[tuple[str, int]] = []
    async with running(migrated_url, history.clock) as peer:

        async def produce() -> None:
            for turn in range(20):
                names = [f"fp-{number}" for number in range(4)]
                await history.record(*(firing(name, start_s=2 * turn, received_s=2 * turn) for name in names))
                await peer.record(*(resolved(name, 2 * turn, 2 * turn + 1, 2 * turn + 1) for name in names))

        async def consume(replica: History, owner: str) -> None:
            unblocked: list[work_pb2.Work] = []
            while len(passed) < 160:
                work = unblocked or await replica.lease(owner, max_count=2)
                await asyncio.sleep(0)
                passed.extend((each.event.fingerprint, each.work_id) for each in work)
                unblocked = list((await replica.complete(*work, owner=owner, capacity=1)).work) if work else []

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(produce())
            for number in range(4):
                tasks.create_task(consume(peer if number % 2 else history, f"o{number}"))

    for name in {name for name, _ in passed}:
        ids = [work_id for each, work_id in passed if each == name]
        assert ids == sorted(ids)
        assert len(ids) == 40


async def test_the_past_of_a_first_firing_is_empty(history: History) -> None:
    answer = await history.record(firing(), lease_owner="a", lease_capacity=1)

    past = alert_codec.history(answer.work[0].history)
    assert (past.times_fired, past.median_duration, past.last_resolved_at, past.flaps_per_hour) == (0, None, None, 0.0)


async def test_the_past_tells_earlier_episodes(history: History) -> None:
    for turn, length in enumerate((10, 40, 20)):
        start = turn * 100
        end = start + length
        await history.record(firing("a", start, start), resolved("a", start, end, end), store_only=True)

    answer = await history.record(firing(start_s=900, received_s=900), firing("b"), lease_owner="a", lease_capacity=5)

    past = alert_codec.history(answer.work[0].history)
    assert past.times_fired == 3
    assert past.median_duration is not None
    assert past.median_duration.total_seconds() == 20
    assert past.last_resolved_at == at(220)
    assert past.flaps_per_hour == 6 / 24
    assert alert_codec.history(answer.work[1].history).times_fired == 0


async def test_the_past_of_a_resolve_does_not_count_its_own_episode(history: History) -> None:
    await history.record(firing(), resolved())
    (work,) = (await history.complete(*await history.lease(), capacity=1)).work

    past = alert_codec.history(work.history)
    assert (past.times_fired, past.median_duration, past.flaps_per_hour) == (0, None, 1 / 24)


async def test_of_a_long_past_the_latest_fifty_episodes_count(history: History) -> None:
    reports = []
    for turn in range(60):
        start, length = turn * 10, 9 if turn < 10 else 1
        end = start + length
        reports += [firing("a", start, start), resolved("a", start, end, end)]
    await history.record(*reports, store_only=True)

    answer = await history.record(firing(start_s=999, received_s=999), lease_owner="a", lease_capacity=5)

    past = alert_codec.history(answer.work[0].history)
    assert past.times_fired == 60
    assert past.median_duration is not None
    assert past.median_duration.total_seconds() == 1
