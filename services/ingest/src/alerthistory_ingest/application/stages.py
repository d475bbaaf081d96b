"""The calls that judge and publish: many events to a call, and none fails for another's sake."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from alerthistory_common.alerts import AlertEvent, Verdict
from alerthistory_common.batching import Batcher
from alerthistory_common.errors import AlertHistoryError, DeadlineExceededError, UnavailableError
from alerthistory_ingest.domain.work import Judged, Work
from alerthistory_ingest.ports import Classifier, Meter, Publisher, Tracer

T = TypeVar("T")
R = TypeVar("R")
_BYTES_PER_UNIT = 4096
_SPANS: dict[Literal["classify", "publish"], str] = {"classify": "classify alerts", "publish": "publish alerts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRules:
    """At most *size* events go into one call, and *in_flight* calls to a service are on their way at a time.

    A verdict is awaited for *classify_limit_s* at most.
    """

    size: int
    in_flight: int
    classify_limit_s: float


class _Handed(NamedTuple, Generic[T]):
    """What is to go into a call, and the span that asks for it."""

    item: T
    traceparent: str


class Stages:
    """Judges and publishes single events by calls that hold many."""

    def __init__(
        self,
        classifier: Classifier,
        publisher: Publisher,
        *,
        rules: BatchRules,
        tracer: Tracer,
        meter: Meter,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._tracer = tracer
        self._meter = meter
        self._limit_s = rules.classify_limit_s
        self._verdicts: Batcher[_Handed[Work], Verdict | AlertHistoryError | None] = Batcher(
            lambda batch: self._call("classify", classifier.classify, batch),
            tasks=tasks,
            max_items=rules.size,
            max_in_flight=rules.in_flight,
            weigh=lambda handed: _weight(handed.item.event),
        )
        self._orders: Batcher[_Handed[Judged], Sequence[str] | AlertHistoryError] = Batcher(
            lambda batch: self._call("publish", publisher.publish, batch),
            tasks=tasks,
            max_items=rules.size,
            max_in_flight=rules.in_flight,
            weigh=lambda handed: _weight(handed.item.event),
        )

    async def classify(self, work: Work, *, traceparent: str) -> Verdict | None:
        """Return the verdict, None when the mode asks for none; raise an AlertHistoryError when it cannot be had."""
        try:
            async with asyncio.timeout(self._limit_s):
                return _returned(await self._verdicts.submit(_Handed(work, traceparent)))
        except TimeoutError as error:
            raise DeadlineExceededError("the classifier took too long") from error

    async def publish(self, judged: Judged, *, traceparent: str) -> Sequence[str]:
        """Return the targets that are told; raise an AlertHistoryError when that could not be ordered."""
        return _returned(await self._orders.submit(_Handed(judged, traceparent)))

    async def _call(
        self,
        stage: Literal["classify", "publish"],
        ask: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        batch: Sequence[_Handed[T]],
    ) -> Sequence[R | AlertHistoryError]:
        with (
            self._tracer.together(_SPANS[stage], [handed.traceparent for handed in batch]),
            self._meter.timing(stage),
        ):
            return await _each(ask, [handed.item for handed in batch])


async def _each(
    ask: Callable[[Sequence[T]], Awaitable[Sequence[R]]], items: Sequence[T]
) -> Sequence[R | AlertHistoryError]:
    """Return what came of each of *items*: a call that is refused is halved until the culprit is by itself."""
    try:
        return await ask(items)
    except (UnavailableError, DeadlineExceededError) as error:
        return [error] * len(items)
    except AlertHistoryError as error:
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    return [*await _each(ask, items[:middle]), *await _each(ask, items[middle:])]


def _returned(result: R | AlertHistoryError) -> R:
    if isinstance(result, AlertHistoryError):
        raise result
    return result


def _weight(event: AlertEvent) -> int:
    return max(1, (len(event.labels_json) + len(event.annotations_json)) // _BYTES_PER_UNIT)
