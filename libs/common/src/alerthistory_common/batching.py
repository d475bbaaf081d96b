"""Coalescing: while one batch is in flight, what arrives becomes the next one. There are no timers."""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from alerthistory_common.errors import DrainingError

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Hands items to *handle* in batches and gives each caller its own result.

    *handle* takes 1 to *max_items* items and returns one result each, in order; when it raises, every caller of
    the batch gets that error. At most *max_in_flight* batches run at a time. A caller that is cancelled takes back its
    item while that still waits, and leaves it in a batch that has begun. *weigh* says for how many items one counts.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        tasks: asyncio.TaskGroup,
        max_items: int,
        max_in_flight: int,
        weigh: Callable[[T], int] = lambda _: 1,
    ) -> None:
        self._handle = handle
        self._tasks = tasks
        self._max_items = max_items
        self._max_in_flight = max_in_flight
        self._weigh = weigh
        self._waiting: OrderedDict[asyncio.Future[R], T] = OrderedDict()
        self._in_flight = 0
        self._is_starting = False
        self._is_closed = False
        self._context = contextvars.copy_context()

    def close(self) -> None:
        """Take no more items; those that wait are still handled."""
        self._is_closed = True

    async def submit(self, item: T) -> R:
        """Return the result of *item*, once the batch that holds it is done; raise DrainingError when closed."""
        if self._is_closed:
            raise DrainingError("this server is draining")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting[future] = item
        self._start_more()
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    def _start_more(self) -> None:
        if self._waiting and not self._is_starting and self._in_flight < self._max_in_flight:
            self._is_starting = True
            self._in_flight += 1
            # A batch belongs to no single caller: the deadline and the span of whoever began it must not be its own,
            # nor, under load, those of every batch after it.
            self._tasks.create_task(self._begin(), context=self._context.copy())

    async def _begin(self) -> None:
        """Run what waits now: all that was submitted in the same turn of the loop goes together."""
        self._is_starting = False
        batch = self._next_batch()
        if batch:
            self._start_more()  # What did not fit.
        await self._run(batch)

    def _next_batch(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        weight = 0
        while self._waiting:
            future, item = next(iter(self._waiting.items()))
            weight += self._weigh(item)
            if batch and weight > self._max_items:
                break
            del self._waiting[future]
            batch.append((item, future))
        return batch

    async def _run(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._handle([item for item, _ in batch]) if batch else ()
        except Exception as error:  # noqa: BLE001  # Every caller gets the error; none is answered here.
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        finally:
            self._in_flight -= 1
            self._start_more()


@asynccontextmanager
async def batcher(
    handle: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
    *,
    max_items: int,
    max_in_flight: int,
    weigh: Callable[[T], int] = lambda _: 1,
) -> AsyncIterator[Batcher[T, R]]:
    """Yield a Batcher; leaving closes it and waits for what was submitted."""
    async with asyncio.TaskGroup() as tasks:
        batches = Batcher(handle, tasks=tasks, max_items=max_items, max_in_flight=max_in_flight, weigh=weigh)
        try:
            yield batches
        finally:
            batches.close()
