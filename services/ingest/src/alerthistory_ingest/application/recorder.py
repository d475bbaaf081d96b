"""Recording what was read: many submissions become one call to history."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from alerthistory_common.alerts import Report
from alerthistory_common.clock import Clock
from alerthistory_common.errors import DeadlineExceededError, UnavailableError
from alerthistory_ingest.application.pipeline import Pipeline
from alerthistory_ingest.domain.quarantine import Quarantined
from alerthistory_ingest.domain.reading import size_of
from alerthistory_ingest.ports import History, Meter, Outcome, Tracer

MAX_WEIGHT = 5000
_BYTES_PER_UNIT = 4096
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is to be recorded together."""

    reports: Sequence[Report] = ()
    quarantine: Sequence[Quarantined] = ()

    def weight(self) -> int:
        """Return how much of a call this fills: one per report or row, more for large ones."""
        return sum(map(_weight, self.reports)) + sum(map(_weight, self.quarantine))


Record = Callable[[Submission], Awaitable[Sequence[Outcome]]]
"""Returns one outcome per report, once all of a submission is durable."""


class Recorder:
    """Hands submissions to history and the resulting work to the pipeline; with *is_store_only* there is none.

    When *batches* calls are on their way, more webhooks wait for one of them, and the pipeline makes way.
    """

    def __init__(
        self,
        history: History,
        pipeline: Pipeline,
        tracer: Tracer,
        meter: Meter,
        *,
        batches: int,
        is_store_only: bool = False,
    ) -> None:
        self._history = history
        self._pipeline = pipeline
        self._tracer = tracer
        self._meter = meter
        self._batches = batches
        self._is_store_only = is_store_only
        self._in_flight = 0

    async def record(self, submissions: Sequence[Submission]) -> list[Sequence[Outcome]]:
        """Return the outcomes of each submission, once all of them are durable. The handler of a Batcher.

        Raises UnavailableError when history does not say so.
        """
        self._in_flight += 1
        if self._in_flight >= self._batches:
            self._pipeline.make_way()
        try:
            return await self._record(submissions)
        finally:
            self._in_flight -= 1

    async def _record(self, submissions: Sequence[Submission]) -> list[Sequence[Outcome]]:
        reports = [report for submission in submissions for report in submission.reports]
        quarantine = [row for submission in submissions for row in submission.quarantine]
        try:
            with (
                self._tracer.together("record alerts", [report.traceparent for report in reports]),
                self._meter.timing("record"),
                self._pipeline.room(0 if self._is_store_only else len(reports)) as room,
            ):
                recorded = await self._history.record(
                    reports, quarantine, capacity=room.size, is_store_only=self._is_store_only
                )
                room.fill(recorded.work, "record")
        except DeadlineExceededError as error:
            self._meter.failure("record")
            raise UnavailableError("the history service does not answer") from error
        except UnavailableError:
            self._meter.failure("record")
            raise
        return _split(recorded.outcomes, submissions)


def alone(recorder: Recorder) -> Record:
    """Return what records one submission at a time, in a call of its own."""

    async def record(submission: Submission) -> Sequence[Outcome]:
        (outcomes,) = await recorder.record([submission])
        return outcomes

    return record


def within(record: Record, limit_s: float, clock: Clock) -> Record:
    """Return *record*, which raises UnavailableError when reports are not stored *limit_s* after they were received.

    They may have waited before they came here, but get a tenth of that anyhow. What was handed over may still be
    stored: to record it again changes nothing.
    """

    async def timely(submission: Submission) -> Sequence[Outcome]:
        try:
            async with asyncio.timeout(max(limit_s / 10, limit_s - _waited_s(submission, clock))):
                return await record(submission)
        except TimeoutError as error:
            raise UnavailableError(f"the history service has not stored the alerts within {limit_s} s") from error

    return timely


def _waited_s(submission: Submission, clock: Clock) -> float:
    now = clock.now().micros
    return max(0, now - min((report.received_at.micros for report in submission.reports), default=now)) / _MICROS


def cut(reports: Iterable[Report], quarantine: Iterable[Quarantined] = ()) -> list[Submission]:
    """Return submissions that fit into one call each, in order; none when there is nothing to record."""
    parts: list[tuple[list[Report], list[Quarantined]]] = []
    weight = MAX_WEIGHT
    items: Iterable[Report | Quarantined] = chain[Report | Quarantined](quarantine, reports)
    for item in items:
        own = _weight(item)
        if weight + own > MAX_WEIGHT:
            parts.append(([], []))
            weight = 0
        if isinstance(item, Quarantined):
            parts[-1][1].append(item)
        else:
            parts[-1][0].append(item)
        weight += own
    return [Submission(reports=part[0], quarantine=part[1]) for part in parts]


def _weight(item: Report | Quarantined) -> int:
    size = len(item.body) if isinstance(item, Quarantined) else size_of(item)
    return max(1, size // _BYTES_PER_UNIT)


def _split(outcomes: Sequence[Outcome], submissions: Sequence[Submission]) -> list[Sequence[Outcome]]:
    ends = [0]
    for submission in submissions:
        ends.append(ends[-1] + len(submission.reports))
    if len(outcomes) != ends[-1]:
        raise UnavailableError("the history service answered with another number of results than it was asked for")
    return [outcomes[start:end] for start, end in pairwise(ends)]
