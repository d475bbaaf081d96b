"""Bringing a legacy database over, call by call: what is done is done, and can be done again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from alerthistory_client.legacy.tables import LegacySource, ReadRow, Table
from alerthistory_client.records import Classification, ImportResult, PastAlert
from alerthistory_common.errors import DeadlineExceededError, UnavailableError

T = TypeVar("T")
R = TypeVar("R")

MAX_BATCH = 1000
_MAX_BATCH_BYTES = 8 * 1024 * 1024
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_LISTED_ROWS = 5
_LISTED_PROBLEMS = 50
_OTHER_PROBLEMS = "other problems"


@dataclass(slots=True, kw_only=True)
class Problem:
    """Why rows were skipped: how many, and the first of them."""

    reason: str
    count: int = 0
    rows: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class TableSummary:
    """What became of the rows of one table: they are superseded, imported, known already, or skipped.

    In a dry run, ``importable`` are those that would be sent; otherwise those that were.
    """

    table: str
    rows: int = 0
    superseded: int = 0
    importable: int = 0
    imported: int = 0
    known: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)

    def skip(self, row_id: int, reason: str) -> None:
        """Count a row that was skipped."""
        self.skipped += 1
        problem = next((each for each in self.problems if each.reason == reason), None)
        if problem is None:
            # Reasons may quote the row: a hopeless table must not fill the screen.
            if len(self.problems) > _LISTED_PROBLEMS:
                problem = self.problems[-1]
            else:
                is_last = len(self.problems) == _LISTED_PROBLEMS
                problem = Problem(reason=_OTHER_PROBLEMS if is_last else reason)
                self.problems.append(problem)
        problem.count += 1
        if len(problem.rows) < _LISTED_ROWS:
            problem.rows.append(row_id)


class Receiver(Protocol):
    """Where the past goes: a Client."""

    async def import_alerts(self, alerts: Sequence[PastAlert], *, sender: str) -> list[ImportResult]:
        """Store alerts of the past; return one result each."""
        ...

    async def import_classifications(self, classifications: Sequence[Classification]) -> list[bool]:
        """Store verdicts of the past; return of each whether it was stored."""
        ...


class Watcher(Protocol):
    """Is told how an import goes."""

    def began(self, table: str, total: int) -> None:
        """A table is being read, of which *total* rows count."""
        ...

    def moved(self, count: int) -> None:
        """So many rows more are done."""
        ...

    def waits(self, error: UnavailableError | DeadlineExceededError, pause_s: float) -> None:
        """A call failed and is made again after *pause_s* seconds."""
        ...


class Import:
    """One run over one source. ``summaries`` are complete when ``run`` returns, and true when it raises."""

    def __init__(
        self,
        source: LegacySource,
        receiver: Receiver | None,
        watcher: Watcher,
        *,
        batch_size: int,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """Take *receiver* None for a dry run; *pauses_s* are between attempts at a call."""
        self._source = source
        self._receiver = receiver
        self._watcher = watcher
        self._batch_size = batch_size
        self._pauses_s = pauses_s
        self._has_answered = False
        self.summaries: list[TableSummary] = []

    async def run(self) -> None:
        """Import every table; raise the error of a call that fails for good. Then the same run again goes on."""
        for alerts in self._source.alert_tables:
            await self._import(alerts, self._send_alerts, _alert_bytes)
        for classifications in self._source.classification_tables:
            await self._import(classifications, self._send_classifications, _classification_bytes)

    async def _import(
        self,
        table: Table[T],
        send: Callable[[Receiver, Sequence[T]], Awaitable[Sequence[ImportResult]]],
        size_of: Callable[[T], int],
    ) -> None:
        count = await asyncio.to_thread(table.count)
        summary = TableSummary(table=table.name, rows=count.rows, superseded=count.superseded)
        self.summaries.append(summary)
        self._watcher.began(table.name, count.rows - count.superseded)
        async for batch in _batches(table.read(), self._batch_size, size_of):
            await self._take(batch, send, summary)
            self._watcher.moved(len(batch))

    async def _take(
        self,
        batch: Sequence[ReadRow[T]],
        send: Callable[[Receiver, Sequence[T]], Awaitable[Sequence[ImportResult]]],
        summary: TableSummary,
    ) -> None:
        usable: list[int] = []
        contents: list[T] = []
        for row in batch:
            if row.content is None:
                summary.skip(row.row_id, row.problem)
            else:
                usable.append(row.row_id)
                contents.append(row.content)
        if self._receiver is None or not usable:
            summary.importable += len(usable)
            return
        receiver = self._receiver
        results = await self._persist(lambda: send(receiver, contents))
        summary.importable += len(usable)
        for row_id, result in zip(usable, results, strict=True):
            if result.refusal:
                summary.skip(row_id, result.refusal)
            summary.known += result.is_known
            summary.imported += not result.refusal and not result.is_known

    async def _send_alerts(self, receiver: Receiver, alerts: Sequence[PastAlert]) -> list[ImportResult]:
        return await receiver.import_alerts(alerts, sender=f"import {self._source.name}")

    async def _send_classifications(
        self, receiver: Receiver, classifications: Sequence[Classification]
    ) -> list[ImportResult]:
        is_imported = await receiver.import_classifications(classifications)
        return [ImportResult(is_known=not each) for each in is_imported]

    async def _persist(self, call: Callable[[], Awaitable[R]]) -> R:
        """Return the answer of *call*, made again while there is hope; the first call of all must succeed."""
        for pause_s in self._pauses_s if self._has_answered else ():
            try:
                return await call()
            except (UnavailableError, DeadlineExceededError) as error:
                self._watcher.waits(error, pause_s)
            await asyncio.sleep(pause_s)
        answer = await call()
        self._has_answered = True
        return answer


async def _batches(
    rows: Iterator[ReadRow[T]], batch_size: int, size_of: Callable[[T], int]
) -> AsyncIterator[Sequence[ReadRow[T]]]:
    """Iterate over *rows* in parts that fit into one call each; databases are read in threads."""
    while batch := await asyncio.to_thread(_take_batch, rows, batch_size, size_of):
        yield batch


def _take_batch(rows: Iterator[ReadRow[T]], batch_size: int, size_of: Callable[[T], int]) -> list[ReadRow[T]]:
    batch: list[ReadRow[T]] = []
    size = 0
    with suppress(StopIteration):
        while len(batch) < batch_size and size < _MAX_BATCH_BYTES:
            row = next(rows)
            batch.append(row)
            size += 0 if row.content is None else size_of(row.content)
    return batch


def _alert_bytes(alert: PastAlert) -> int:
    return len(alert.alert_json)


def _classification_bytes(classification: Classification) -> int:
    texts = (classification.verdict.reasoning, *classification.verdict.recommendations)
    return len(classification.metadata_json) + sum(map(len, texts))
