"""Coalescing: what arrives while a batch is in flight becomes the next one."""

import asyncio
from collections.abc import Sequence

import pytest

from alerthistory_common.batching import batcher
from alerthistory_common.deadlines import budget, deadline_in
from alerthistory_common.errors import DrainingError


class Recorder:
    """Handles batches only while its gate is open, and remembers them."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def handle(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        await self.gate.wait()
        if 13 in items:
            raise ValueError("thirteen")
        return [item * 10 for item in items]


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_arrivals_during_a_batch_form_the_next_one() -> None:
    recorder = Recorder()
    async with batcher(recorder.handle, max_items=100, max_in_flight=1) as batches, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(batches.submit(1))
        await _settle()
        rest = [tasks.create_task(batches.submit(number)) for number in (2, 3, 4)]
        await _settle()
        recorder.gate.set()
    assert recorder.batches == [[1], [2, 3, 4]]
    assert [first.result(), *(task.result() for task in rest)] == [10, 20, 30, 40]


async def test_batches_keep_to_their_weight_and_number() -> None:
    recorder = Recorder()
    async with (
        batcher(recorder.handle, max_items=5, max_in_flight=2, weigh=lambda number: number) as batches,
        asyncio.TaskGroup() as tasks,
    ):
        for number in (9, 2, 3, 1, 4, 5):
            tasks.create_task(batches.submit(number))
        await _settle()
        assert recorder.batches == [[9], [2, 3]]
        recorder.gate.set()
    assert recorder.batches == [[9], [2, 3], [1, 4], [5]]


async def test_what_is_submitted_in_one_turn_of_the_loop_goes_together() -> None:
    recorder = Recorder()
    recorder.gate.set()
    async with batcher(recorder.handle, max_items=100, max_in_flight=4) as batches:
        await asyncio.gather(*(batches.submit(number) for number in range(5)))
    assert recorder.batches == [[0, 1, 2, 3, 4]]


async def test_a_failure_reaches_every_caller_of_its_batch_and_no_other() -> None:
    recorder = Recorder()
    recorder.gate.set()
    async with batcher(recorder.handle, max_items=2, max_in_flight=1) as batches:
        results = await asyncio.gather(*(batches.submit(n) for n in (1, 2, 13, 4)), return_exceptions=True)
        assert results[:2] == [10, 20]
        assert [type(result) for result in results[2:]] == [ValueError, ValueError]
        assert await batches.submit(3) == 30


async def test_a_caller_that_gives_up_does_not_harm_the_others() -> None:
    recorder = Recorder()
    async with batcher(recorder.handle, max_items=100, max_in_flight=1) as batches, asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(batches.submit(1))
        stays = tasks.create_task(batches.submit(2))
        await _settle()
        gone.cancel()
        recorder.gate.set()
    assert gone.cancelled()
    assert stays.result() == 20


async def test_who_gives_up_before_the_batch_began_takes_the_item_back() -> None:
    recorder = Recorder()
    async with batcher(recorder.handle, max_items=100, max_in_flight=1) as batches, asyncio.TaskGroup() as tasks:
        tasks.create_task(batches.submit(1))
        await _settle()
        gone = tasks.create_task(batches.submit(2))
        await _settle()
        later = tasks.create_task(batches.submit(3))
        await _settle()
        gone.cancel()
        await _settle()
        recorder.gate.set()
    assert recorder.batches == [[1], [3]]
    assert later.result() == 30


async def test_leaving_waits_for_what_is_in_flight() -> None:
    recorder = Recorder()
    async with batcher(recorder.handle, max_items=100, max_in_flight=1) as batches:
        waiting = asyncio.ensure_future(batches.submit(1))
        await _settle()
        asyncio.get_running_loop().call_later(0.01, recorder.gate.set)
    assert await waiting == 10
    with pytest.raises(DrainingError):
        await batches.submit(2)


async def test_a_batch_has_no_callers_deadline() -> None:
    seen: list[float] = []

    async def handle(items: Sequence[int]) -> list[int]:
        seen.append(budget(30.0))
        return list(items)

    async with batcher(handle, max_items=1, max_in_flight=1) as batches:
        with deadline_in(0.5):
            await asyncio.gather(*(batches.submit(number) for number in range(3)))
    assert seen == [30.0, 30.0, 30.0]
