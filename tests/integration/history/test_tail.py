"""TailEvents and ListEvents: in order, without gaps, resumable, and over when the server drains."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from sqlalchemy import URL

from alerthistory.alert.v1 import alert_pb2
from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory_common import rpc_status
from alerthistory_common.errors import DrainingError, InvalidArgumentError
from tests.integration.history.harness import TIMEOUT_S, History, firing, resolved, running

Call = grpc.aio.UnaryStreamCall[pb.TailEventsRequest, pb.TailEventsResponse]


async def _tail(history: History, cursor: str = "", backlog: int = 0) -> Call:
    """Return a tail whose beginning is fixed."""
    call = history.stub.TailEvents(pb.TailEventsRequest(cursor=cursor, backlog=backlog))
    await call.initial_metadata()
    return call


async def _take(call: Call, count: int) -> Sequence[alert_pb2.AlertEvent]:
    """Return the next *count* events of *call*, and perhaps those that came with the last of them."""
    found: list[alert_pb2.AlertEvent] = []
    async with asyncio.timeout(TIMEOUT_S):
        while len(found) < count:
            answer = await call.read()
            assert isinstance(answer, pb.TailEventsResponse)
            assert answer.events
            found += answer.events
    return found


async def test_a_tail_begins_now_and_gets_what_comes(history: History) -> None:
    await history.record(firing("before"))
    tail = await _tail(history)

    await history.record(firing("after"))

    (event,) = await _take(tail, 1)
    assert event == (await history.events())[1]


async def test_a_tail_of_an_empty_history_gets_the_first_event(history: History) -> None:
    tail = await _tail(history, backlog=5)

    await history.record(firing())

    assert [event.fingerprint for event in await _take(tail, 1)] == ["a"]


async def test_a_backlog_comes_first(history: History) -> None:
    await history.record(*map(firing, "abcd"))
    tail = await _tail(history, backlog=2)
    await history.record(firing("e"))

    assert [event.fingerprint for event in await _take(tail, 3)] == ["c", "d", "e"]


async def test_a_backlog_of_more_than_there_is_begins_at_the_first_event(history: History) -> None:
    await history.record(*map(firing, "ab"))

    assert [event.fingerprint for event in await _take(await _tail(history, backlog=1000), 2)] == ["a", "b"]


async def test_a_tail_resumes_after_its_cursor(history: History) -> None:
    await history.record(*map(firing, "abc"))
    first, *_ = await _take(await _tail(history, backlog=3), 3)

    resumed = await _tail(history, cursor=first.cursor)

    assert [event.fingerprint for event in await _take(resumed, 2)] == ["b", "c"]


async def test_what_time_brings_is_in_the_tail(history: History) -> None:
    tail = await _tail(history)
    await history.record(firing())
    history.clock.advance(29_100)

    kinds = [event.kind for event in await _take(tail, 2)]
    assert kinds == [alert_pb2.EVENT_KIND_FIRED, alert_pb2.EVENT_KIND_WENT_STALE]


async def test_events_of_another_replica_are_in_the_tail(history: History, migrated_url: URL) -> None:
    async with running(migrated_url) as peer:
        tail = await _tail(history)
        await peer.record(firing())

        assert [event.fingerprint for event in await _take(tail, 1)] == ["a"]


async def test_tails_have_no_gaps_under_concurrent_writers_and_cuts(history: History, migrated_url: URL) -> None:
    writers, turns = 8, 15
    total = writers * turns * 2
    async with running(migrated_url, history.clock) as peer:

        async def write(number: int) -> None:
            replica = peer if number % 2 else history
            for turn in range(turns):
                name, start = f"fp-{number}", 2 * turn
                await replica.record(firing(name, start_s=start, received_s=start))
                await replica.record(resolved(name, start_s=start, end_s=start + 1, received_s=start + 1))

        async def follow(replica: History, cut_after: int) -> list[alert_pb2.AlertEvent]:
            found: list[alert_pb2.AlertEvent] = []
            while len(found) < total:
                tail = await _tail(replica, cursor=found[-1].cursor if found else "0-0")
                found += await _take(tail, min(cut_after, total - len(found)))
                tail.cancel()
            return found

        async with asyncio.TaskGroup() as tasks:
            tails = [tasks.create_task(follow(history if n % 2 else peer, cut)) for n, cut in enumerate((1000, 7, 40))]
            for number in range(writers):
                tasks.create_task(write(number))
        expected = await history.events()

    assert len(expected) == total
    for tail in tails:
        assert [event.event_id for event in tail.result()] == [event.event_id for event in expected]


async def test_events_of_one_alert_are_in_order_though_peers_race_for_it(history: History, migrated_url: URL) -> None:
    async with running(migrated_url, history.clock) as peer:

        async def write(replica: History, name: str, number: int) -> None:
            # Every commit takes locks of many new alerts too, so that transactions begin long before they write.
            for turn in range(10):
                content = f'["{name}-{number}-{turn}"]'.encode()
                crowd = [firing(f"{chr(97 + (number + turn) % 26)}-{number}-{turn}-{each}") for each in range(10)]
                await replica.record(firing(name, received_s=100 + turn, annotations_json=content), *crowd)

        async with asyncio.TaskGroup() as tasks:
            for number in range(6):
                for name in ("x", "y"):
                    tasks.create_task(write(peer if number % 2 else history, name, number))

        for name in ("x", "y"):
            by_cursor = [event async for event in _all_events(history) if event.fingerprint == name]
            assert [event.cursor for event in by_cursor] == [event.cursor for event in await history.events(name)]
            assert by_cursor[0].kind == alert_pb2.EVENT_KIND_FIRED
            assert by_cursor[-1].annotations_json == (await history.alert(name)).annotations_json


async def _all_events(history: History) -> AsyncIterator[alert_pb2.AlertEvent]:
    token = ""
    while True:
        answer = await history.stub.ListEvents(pb.ListEventsRequest(page_size=100, page_token=token), timeout=TIMEOUT_S)
        for event in answer.events:
            yield event
        token = answer.next_page_token
        if not token:
            return


async def test_a_long_history_comes_in_pages(history: History) -> None:
    await history.record(*(firing(f"fp-{number}") for number in range(1300)))

    tail = await _tail(history, cursor="0-0")
    found = await _take(tail, 1300)

    assert [event.fingerprint for event in found] == [f"fp-{number}" for number in range(1300)]


async def test_large_events_come_in_batches_that_any_client_takes(history: History) -> None:
    large = b'{"summary":"' + b"x" * 30_000 + b'"}'
    await history.record(*(firing(f"{number}", annotations_json=large) for number in range(300)))
    tail = history.stub.TailEvents(pb.TailEventsRequest(backlog=300), timeout=TIMEOUT_S)
    seen = 0
    while seen < 300:
        batch = await tail.read()
        assert isinstance(batch, pb.TailEventsResponse)
        assert batch.ByteSize() < 4 * 1024 * 1024
        seen += len(batch.events)
    tail.cancel()


async def test_a_tail_ends_with_draining_when_the_server_drains(history: History) -> None:
    tail = await _tail(history)
    await history.component.drain()

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await _take(tail, 1)

    assert isinstance(rpc_status.from_rpc_error(ended.value), DrainingError)
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_draining_server_still_answers(history: History) -> None:
    await history.component.drain()

    assert await history.decisions(firing()) == ["fired"]
    with pytest.raises(grpc.aio.AioRpcError):
        await _take(await _tail(history), 1)


@pytest.mark.parametrize("cursor", ["nonsense", "1", "-1-1", "1-" + "9" * 19, "1-1 ", "١-١"])
async def test_a_cursor_that_is_not_ours_is_refused(history: History, cursor: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _take(await _tail(history, cursor=cursor), 1)

    assert isinstance(rpc_status.from_rpc_error(refused.value), InvalidArgumentError)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("fingerprint", ["", "a"])
async def test_events_are_listed_in_both_directions(history: History, newest_first: bool, fingerprint: str) -> None:
    for turn in range(7):
        await history.record(firing(start_s=2 * turn, received_s=2 * turn), firing(f"other-{turn}"))
        await history.record(resolved("a", 2 * turn, 2 * turn + 1, 2 * turn + 1))
    expected = await history.events(fingerprint)

    found: list[alert_pb2.AlertEvent] = []
    token = "-"
    while token:
        request = pb.ListEventsRequest(
            fingerprint=fingerprint, newest_first=newest_first, page_size=3, page_token=token.strip("-")
        )
        answer = await history.stub.ListEvents(request, timeout=TIMEOUT_S)
        found += answer.events
        token = answer.next_page_token

    assert found == (expected[::-1] if newest_first else expected)
    assert len(found) == (14 if fingerprint else 21)
