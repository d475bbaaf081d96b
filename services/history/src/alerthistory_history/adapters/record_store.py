"""Commits: reports and time, folded into alerts, with the events and the work that come of it."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Fingerprint, Instant
from alerthistory_common.database import Database
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_history.domain.commit import Folded, fold_reports, settle_alerts
from alerthistory_history.domain.records import (
    AlertChange,
    OccurrenceKey,
    Position,
    Recorded,
    ReportResult,
    StoredAlert,
    Submission,
)
from alerthistory_history.domain.state import Policy
from alerthistory_history.ports import Commit, Settled

from . import commit_sql, quarantine_store, rows
from .dialects import dialect_named
from .tables import alerts
from .work_store import load_work

T = TypeVar("T")
Later = Callable[[Callable[[], Coroutine[None, None, None]]], object]

_OVERTAKEN_LIMIT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Appended:
    """The events and work that were appended: each alert's transaction, each submission's leased work."""

    txids: Mapping[Fingerprint, int] = field(default_factory=dict)
    leased: Mapping[int, Sequence[int]] = field(default_factory=dict)


class SqlRecordStore:
    """Folds reports and time into alerts.

    *later* is for a test's negative control only: it gets the second half of a commit, to run after the answer.
    """

    def __init__(
        self,
        database: Database,
        *,
        policy: Policy,
        lease_duration: timedelta,
        quarantine_limits: quarantine_store.Limits,
        later: Later | None = None,
    ) -> None:
        self._database = database
        self._dialect = dialect_named(database.dialect)
        self._policy = policy
        self._lease_micros = lease_duration // timedelta(microseconds=1)
        self._quarantine_limits = quarantine_limits
        self._later = later

    async def record(self, batch: Sequence[Submission], now: Instant) -> Commit:
        """Store *batch* in one transaction; raise StoreRefusedError when anything in it cannot be stored."""
        return await self._write(lambda connection: self._record(connection, batch, now))

    async def settle(self, now: Instant, *, limit: int) -> Settled:
        """Let *now* come for at most *limit* alerts for which something is due."""
        # Nearly always nothing is due: then nothing is locked, and SQLite's writer is left alone.
        if not await self._database.read(lambda connection: _due(connection, now, 1)):
            return Settled()
        return await self._write(lambda connection: self._settle(connection, now, limit))

    async def _write(self, commit: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        for _ in range(_OVERTAKEN_LIMIT):
            try:
                return await self._database.write(commit)
            except commit_sql.OvertakenError:
                continue
        raise StoreUnavailableError("the database is too contended")

    async def _record(self, connection: AsyncConnection, batch: Sequence[Submission], now: Instant) -> Commit:
        folded = await self._fold(connection, batch)
        appended = _Appended()
        if self._later is None:
            appended = await self._append(connection, folded.alerts, folded.changes, batch, now)
        else:
            self._later(lambda: self._append_alone(folded, batch, now))
        await commit_sql.put_alerts(connection, folded.alerts.values(), appended.txids, self._policy)
        await commit_sql.put_occurrences(
            connection, self._dialect, folded.occurrences.values(), accepted=folded.accepted
        )
        payloads = [payload for submission in batch for payload in submission.quarantine]
        dropped = await quarantine_store.put(connection, self._dialect, payloads, self._quarantine_limits)
        return Commit(recorded=await _answers(connection, batch, folded, appended), dropped_payloads=dropped)

    async def _fold(self, connection: AsyncConnection, batch: Sequence[Submission]) -> Folded:
        reports = [(number, report) for number, submission in enumerate(batch) for report in submission.reports]
        fingerprints = {report.fingerprint for _, report in reports}
        known = await commit_sql.lock_alerts(connection, self._dialect, fingerprints, self._policy)
        keys = {OccurrenceKey(report.fingerprint, report.starts_at.micros) for _, report in reports}
        stored = await commit_sql.known_occurrences(connection, self._dialect, keys)
        newest = {key: each.last_received_at for key, each in stored.items()}
        folded = fold_reports(reports, known, newest, self._policy)
        return replace(folded, alerts=_marked(folded.alerts, batch))

    async def _settle(self, connection: AsyncConnection, now: Instant, limit: int) -> Settled:
        due = await _due(connection, now, limit)
        settled = await commit_sql.lock_known_alerts(connection, sorted(due))
        changes = settle_alerts(settled, now.micros, self._policy)
        appended = await self._append(connection, settled, changes, (), now)
        # Those without a change too: their due time was that of other windows, and is told anew.
        await commit_sql.put_alerts(connection, settled.values(), appended.txids, self._policy)
        return Settled(kinds=[change.change.kind for change in changes], is_done=len(due) < limit)

    async def _append(
        self,
        connection: AsyncConnection,
        known: Mapping[Fingerprint, StoredAlert],
        changes: Sequence[AlertChange],
        batch: Sequence[Submission],
        now: Instant,
    ) -> _Appended:
        if not changes:
            return _Appended()
        positions = await commit_sql.put_events(connection, self._dialect, changes, known, now)
        busy = await commit_sql.busy_alerts(connection, changes)
        queue = _Queue(batch, known, busy, now=now, lease_micros=self._lease_micros)
        for change, position in zip(changes, positions, strict=True):
            queue.add(change, position)
        await commit_sql.put_work(connection, queue.rows)
        return _Appended(txids={change.fingerprint: positions[0].txid for change in changes}, leased=queue.leased)

    async def _append_alone(self, folded: Folded, batch: Sequence[Submission], now: Instant) -> None:
        unleased = [replace(submission, lease_owner="") for submission in batch]
        await self._database.write(
            lambda connection: self._append(connection, folded.alerts, folded.changes, unleased, now)
        )


class _Queue:
    """Decides which of the new work is leased at once: what its caller can take, and what waits for nothing older."""

    def __init__(
        self,
        batch: Sequence[Submission],
        known: Mapping[Fingerprint, StoredAlert],
        busy: set[bytes],
        *,
        now: Instant,
        lease_micros: int,
    ) -> None:
        self._batch = batch
        self._known = known
        self._busy = busy
        self._now = now
        self._lease_micros = lease_micros
        self.rows: list[rows.Values] = []
        self.leased: dict[int, list[int]] = {}

    def add(self, change: AlertChange, position: Position) -> None:
        submission = self._batch[change.submission] if self._batch and change.submission is not None else None
        asked = self._known[change.fingerprint] if submission is None else submission
        if not change.change.kind.is_published or asked.is_store_only:
            return
        key = rows.fp_hash(change.fingerprint)
        owner = None if submission is None or key in self._busy else self._owner(change.submission, submission)
        if owner is not None and change.submission is not None:
            self.leased.setdefault(change.submission, []).append(position.seq)
        self._busy.add(key)
        self.rows.append(self._row(key, position.seq, owner))

    def _owner(self, number: int | None, submission: Submission) -> str | None:
        taken = len(self.leased.get(number, ())) if number is not None else 0
        return submission.lease_owner if submission.lease_owner and taken < submission.lease_capacity else None

    def _row(self, key: bytes, seq: int, owner: str | None) -> rows.Values:
        return {
            "seq": seq,
            "fp_hash": key,
            "attempt": 0 if owner is None else 1,
            "lease_owner": owner,
            "available_at_us": self._now.micros + (0 if owner is None else self._lease_micros),
            "created_us": self._now.micros,
        }


def _marked(alerts: Mapping[Fingerprint, StoredAlert], batch: Sequence[Submission]) -> dict[Fingerprint, StoredAlert]:
    """Return *alerts*, each with what its last report in *batch* asked for."""
    last = {report.fingerprint: submission for submission in batch for report in submission.reports}
    return {
        fingerprint: replace(alert, is_store_only=last[fingerprint].is_store_only)
        for fingerprint, alert in alerts.items()
    }


async def _due(connection: AsyncConnection, now: Instant, limit: int) -> Sequence[bytes]:
    selected = await connection.execute(
        select(alerts.c.fp_hash)
        .where(alerts.c.settle_due_us.is_not(None), alerts.c.settle_due_us <= now.micros)
        .order_by(alerts.c.settle_due_us)
        .limit(limit)
    )
    return selected.scalars().all()


async def _answers(
    connection: AsyncConnection, batch: Sequence[Submission], folded: Folded, appended: _Appended
) -> Sequence[Recorded]:
    work = {
        each.work_id: each
        for each in await load_work(connection, [seq for some in appended.leased.values() for seq in some])
    }
    decisions = iter(folded.decisions)
    return [
        Recorded(
            results=[ReportResult(decision=next(decisions)) for _ in submission.reports],
            work=[work[seq] for seq in appended.leased.get(number, ())],
        )
        for number, submission in enumerate(batch)
    ]
