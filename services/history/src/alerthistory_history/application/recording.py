"""Storing reports: coalesced into commits, and none fails for another's sake."""

import asyncio
import time
from collections.abc import Sequence

import structlog
from msgspec.structs import replace

from alerthistory_common.batching import Batcher
from alerthistory_common.clock import Clock
from alerthistory_common.crash_points import reach
from alerthistory_common.database import StoreRefusedError
from alerthistory_history.domain.commit import refusal
from alerthistory_history.domain.records import Recorded, ReportResult, Submission
from alerthistory_history.ports import Observer, RecordStore

from .pulse import Pulse

_LOG = structlog.get_logger(__name__)


class Committer:
    """Turns batches of submissions into commits."""

    def __init__(self, store: RecordStore, clock: Clock, observer: Observer, pulse: Pulse) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer
        self._pulse = pulse

    async def commit(self, batch: Sequence[Submission]) -> Sequence[Recorded]:
        """Return what became of each submission, once all of them are committed.

        What the store refuses is refused alone: a refused batch is halved until the culprit is by itself.
        """
        try:
            return await self._commit_together(batch)
        except StoreRefusedError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                return [*await self.commit(batch[:middle]), *await self.commit(batch[middle:])]
            return [await self._commit_parts(batch[0], error)]

    async def _commit_together(self, batch: Sequence[Submission]) -> Sequence[Recorded]:
        started = time.perf_counter()
        reach("history.committing")
        commit = await self._store.record(batch, self._clock.now())
        reach("history.committed")
        self._pulse.beat()
        count = sum(len(submission.reports) for submission in batch)
        self._observer.committed(commit, reports=count, seconds=time.perf_counter() - started)
        if commit.dropped_payloads:
            _LOG.warning("quarantine is full, oldest payloads dropped", dropped=commit.dropped_payloads)
        return commit.recorded

    async def _commit_parts(self, submission: Submission, error: StoreRefusedError) -> Recorded:
        if len(submission.reports) + len(submission.quarantine) <= 1:
            return self._refuse(submission, error)
        first, rest = _halves(submission)
        (done,) = await self.commit([first])
        left = replace(rest, lease_capacity=submission.lease_capacity - len(done.work))
        (also,) = await self.commit([left])
        return Recorded(results=[*done.results, *also.results], work=[*done.work, *also.work])

    def _refuse(self, submission: Submission, error: StoreRefusedError) -> Recorded:
        self._observer.refused(1)
        if submission.quarantine:
            _LOG.error("quarantine cannot hold a payload, it is dropped", why=error.message)
        return Recorded(results=[ReportResult(refusal=error.message) for _ in submission.reports])


class Recorder:
    """Stores what callers submit."""

    def __init__(self, batches: Batcher[Submission, Recorded], observer: Observer) -> None:
        self._batches = batches
        self._observer = observer
        self._in_flight = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def idle(self) -> None:
        """Return when nothing is being committed."""
        await self._is_idle.wait()

    async def record(self, submission: Submission) -> Recorded:
        """Return what became of *submission*, once it is committed. Doing it again changes nothing but "last seen"."""
        refusals = [refusal(report) for report in submission.reports]
        sound = [report for report, why in zip(submission.reports, refusals, strict=True) if not why]
        self._observer.refused(len(refusals) - len(sound))
        if not sound and not submission.quarantine:
            return Recorded(results=[ReportResult(refusal=why) for why in refusals])
        recorded = await self._submit(replace(submission, reports=sound))
        stored = iter(recorded.results)
        return replace(recorded, results=[ReportResult(refusal=why) if why else next(stored) for why in refusals])

    async def _submit(self, submission: Submission) -> Recorded:
        self._in_flight += 1
        self._is_idle.clear()
        try:
            return await self._batches.submit(submission)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._is_idle.set()


def weight(submission: Submission) -> int:
    """Return for how many reports *submission* counts in a batch."""
    return max(1, len(submission.reports) + len(submission.quarantine))


def _halves(submission: Submission) -> tuple[Submission, Submission]:
    if submission.quarantine and submission.reports:
        return replace(submission, quarantine=()), replace(submission, reports=())
    reports, payloads = submission.reports, submission.quarantine
    return (
        replace(submission, reports=reports[: len(reports) // 2], quarantine=payloads[: len(payloads) // 2]),
        replace(submission, reports=reports[len(reports) // 2 :], quarantine=payloads[len(payloads) // 2 :]),
    )
