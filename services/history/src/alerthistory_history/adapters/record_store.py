"""Commits: reports and time, folded into alerts, with the events and the work that come of it."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import AlertEvent, Fingerprint, Instant
from alerthistory_common.database import Database
from alerthistory_history.domain.commit import Folded, fold_reports, settle_alerts
from alerthistory_history.domain.past import history_context
from alerthistory_history.domain.records import (
    AlertChange,
    OccurrenceKey,
    Position,
    Recorded,
    ReportResult,
    StoredAlert,
    Submission,
    Work,
)
from alerthistory_history.domain.state import Policy
from alerthistory_history.ports import Commit, Settled

from . import commit_sql, quarantine_store, rows
from .dialects import Numbers, dialect_named
from .tables import alerts
from .work_store import load_work

Later = Callable[[Callable[[], Coroutine[None, None, None]]], object]


class _Appended(Struct, frozen=True, kw_only=True):
    """The events and work that were appended: each alert's transaction, each submission's leased work."""

    txids: Mapping[Fingerprint, int] = field(default_factory=dict)
    leased: Mapping[int, Sequence["_Leased"]] = field(default_factory=dict)


class _Leased(NamedTuple):
    """New work that was leased: the event, the number of its episode, and whether the alert has a past."""

    work_id: int
    event: AlertEvent
    episode: int
    has_past: bool


class _Batch(Struct, frozen=True, kw_only=True):
    """What one commit stores, and what was known before."""

    submissions: Sequence[Submission]
    known: Mapping[Fingerprint, StoredAlert]
    folded: Folded
    now: Instant


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
        return await commit_sql.write(self._database, lambda connection: self._record(connection, batch, now))

    async def settle(self, now: Instant, *, limit: int) -> Settled:
        """Let *now* come for at most *limit* alerts for which something is due."""
        # Nearly always nothing is due: then nothing is locked, and SQLite's writer is left alone.
        if not await self._database.read(lambda connection: _due(connection, now, 1)):
            return Settled()
        return await commit_sql.write(self._database, lambda connection: self._settle(connection, now, limit))

    async def _record(self, connection: AsyncConnection, batch: Sequence[Submission], now: Instant) -> Commit:
        folding = await self._fold(connection, batch, now)
        folded = folding.folded
        numbers = await self._numbers(connection, 0 if self._later else len(folded.changes), folded.accepted)
        appended = _Appended()
        if self._later is None:
            appended = await self._append(connection, folding, numbers)
        else:
            self._later(lambda: self._append_alone(folding))
        await commit_sql.put_alerts(connection, folded.alerts.values(), folding.known, appended.txids, self._policy)
        await commit_sql.put_occurrences(connection, folded.occurrences.values(), numbers.occurrences)
        payloads = [payload for submission in batch for payload in submission.quarantine]
        dropped = await quarantine_store.put(connection, self._dialect, payloads, self._quarantine_limits)
        return Commit(recorded=await _answers(connection, folding, appended), dropped_payloads=dropped)

    async def _fold(self, connection: AsyncConnection, batch: Sequence[Submission], now: Instant) -> _Batch:
        reports = [(number, report) for number, submission in enumerate(batch) for report in submission.reports]
        fingerprints = {report.fingerprint for _, report in reports}
        known = await commit_sql.lock_alerts(connection, self._dialect, fingerprints)
        # An occurrence has an alert.
        keys = {
            OccurrenceKey(each.fingerprint, each.starts_at.micros) for _, each in reports if each.fingerprint in known
        }
        stored = await commit_sql.known_occurrences(connection, self._dialect, keys)
        newest = {key: each.last_received_at for key, each in stored.items()}
        folded = fold_reports(reports, known, newest, self._policy, now=now.micros)
        folded = replace(folded, alerts=_marked(folded.alerts, batch))
        return _Batch(submissions=batch, known=known, folded=folded, now=now)

    async def _numbers(self, connection: AsyncConnection, events: int, occurrences: int) -> Numbers:
        if not events and not occurrences:
            return Numbers(txid=0, events=(), occurrences=())
        return await self._dialect.numbers(connection, events=events, occurrences=occurrences)

    async def _settle(self, connection: AsyncConnection, now: Instant, limit: int) -> Settled:
        due = await _due(connection, now, limit)
        known = await commit_sql.lock_alerts_by_key(connection, self._dialect, sorted(due))
        settled = dict(known)
        changes = settle_alerts(settled, now.micros, self._policy)
        folded = Folded(decisions=(), alerts=settled, occurrences={}, changes=changes, accepted=0)
        numbers = await self._numbers(connection, len(changes), 0)
        appended = await self._append(connection, _Batch(submissions=(), known=known, folded=folded, now=now), numbers)
        # Those without a change too: their due time was too early, or that of other windows, and is told anew.
        await commit_sql.put_alerts(connection, settled.values(), known, appended.txids, self._policy)
        return Settled(kinds=[change.change.kind for change in changes], is_done=len(due) < limit)

    async def _append(self, connection: AsyncConnection, batch: _Batch, numbers: Numbers) -> _Appended:
        changes = batch.folded.changes
        if not changes:
            return _Appended()
        appended = await commit_sql.put_events(connection, changes, batch.folded.alerts, numbers, batch.now)
        old = {rows.fp_hash(change.fingerprint) for change in changes if change.fingerprint in batch.known}
        queue = _Queue(batch, await commit_sql.busy_alerts(connection, old), lease_micros=self._lease_micros)
        for change, (position, event) in zip(changes, appended, strict=True):
            queue.add(change, position, event)
        await commit_sql.INSERT_WORK.run(connection, queue.rows)
        return _Appended(txids={change.fingerprint: numbers.txid for change in changes}, leased=queue.leased)

    async def _append_alone(self, batch: _Batch) -> None:
        async def append(connection: AsyncConnection) -> _Appended:
            numbers = await self._numbers(connection, len(batch.folded.changes), 0)
            return await self._append(connection, unleased, numbers)

        submissions = [replace(submission, lease_owner="") for submission in batch.submissions]
        unleased = replace(batch, submissions=submissions)
        await self._database.write(append)


class _Queue:
    """Decides which of the new work is leased at once: what its caller can take, and what waits for nothing older."""

    def __init__(self, batch: _Batch, busy: set[bytes], *, lease_micros: int) -> None:
        self._batch = batch
        self._busy = busy
        self._lease_micros = lease_micros
        self.rows: list[rows.Values] = []
        self.leased: dict[int, list[_Leased]] = {}

    def add(self, change: AlertChange, position: Position, event: AlertEvent) -> None:
        submissions, known = self._batch.submissions, self._batch.known
        submission = submissions[change.submission] if submissions and change.submission is not None else None
        asked = known[change.fingerprint] if submission is None else submission
        if not change.change.kind.is_published or asked.is_store_only:
            return
        key = rows.fp_hash(change.fingerprint)
        owner = None if submission is None or key in self._busy else self._owner(change.submission, submission)
        if owner is not None and change.submission is not None:
            leased = _Leased(position.seq, event, change.episode, change.fingerprint in known)
            self.leased.setdefault(change.submission, []).append(leased)
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
            "available_at_us": self._batch.now.micros + (0 if owner is None else self._lease_micros),
            "created_us": self._batch.now.micros,
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


async def _answers(connection: AsyncConnection, batch: _Batch, appended: _Appended) -> Sequence[Recorded]:
    with_past = [each.work_id for some in appended.leased.values() for each in some if each.has_past]
    loaded = {work.work_id: work for work in await load_work(connection, with_past)}
    decisions = iter(batch.folded.decisions)
    return [
        Recorded(
            results=[ReportResult(decision=next(decisions)) for _ in submission.reports],
            work=[loaded.get(each.work_id) or _first_work(each) for each in appended.leased.get(number, ())],
        )
        for number, submission in enumerate(batch.submissions)
    ]


def _first_work(leased: _Leased) -> Work:
    history = history_context((), episode=leased.episode, occurred_at=leased.event.occurred_at.micros)
    return Work(work_id=leased.work_id, attempt=1, event=leased.event, history=history)
