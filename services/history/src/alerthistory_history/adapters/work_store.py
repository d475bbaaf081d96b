"""The queue over the events that need the pipeline.

A row stands for its event until the event has passed. It is handed out from ``available_at_us`` on: a lease is an
owner, and that time set to the lease's end.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import bulk
from alerthistory_common.alerts import Instant, Severity
from alerthistory_common.database import Database
from alerthistory_history.domain.past import TURNS, Turn, history_context
from alerthistory_history.domain.records import Completed, Lease, Work

from . import rows
from .tables import TURNS_ONLY, alerts, events, work

_JUDGE = bulk.update(alerts, "fp_hash", ["verdict_severity"])
_MICROS = 1_000_000
# Characters, of which each may be four bytes of a message's 64 MiB.
_MAX_LENGTH = 12_000_000


class SqlWorkStore:
    """The queue in the table ``work``."""

    def __init__(self, database: Database, *, lease_duration: timedelta) -> None:
        self._database = database
        self._lease_micros = lease_duration // timedelta(microseconds=1)

    async def lease(self, owner: str, limit: int, now: Instant) -> Sequence[Work]:
        """Lease the oldest available work, at most one per alert and none before an older one of its alert."""
        # An idle queue is only read: polling must not cost SQLite's only writer.
        if not (await self._database.read(lambda connection: connection.execute(_available(now).limit(1)))).first():
            return ()
        return await self._database.write(
            lambda connection: self._lease(connection, _available(now), owner, limit, now)
        )

    async def complete(
        self, verdicts: Sequence[tuple[Lease, Severity | None]], *, owner: str, limit: int, now: Instant
    ) -> Completed:
        """Delete finished work, keep its verdicts with the alerts, and lease at most *limit* of what that unblocks."""

        async def commit(connection: AsyncConnection) -> Completed:
            held = await _held(connection, [lease for lease, _ in verdicts])
            await _judge(connection, {held[lease]: severity for lease, severity in verdicts if lease in held})
            await connection.execute(
                delete(work).where(bulk.among(connection, work.c.seq, [lease.work_id for lease in held]))
            )
            unblocked = _available(now).where(bulk.among(connection, work.c.fp_hash, set(held.values())))
            return Completed(
                outdated=[lease for lease, _ in verdicts if lease not in held],
                work=await self._lease(connection, unblocked, owner, limit, now) if held and limit else (),
            )

        return await self._database.write(commit)

    async def release(self, leases: Sequence[Lease], *, available_at: Instant) -> None:
        """Give leases back, to be handed out again from *available_at* on; outdated ones are ignored."""

        async def commit(connection: AsyncConnection) -> None:
            held = await _held(connection, leases)
            await connection.execute(
                update(work)
                .where(bulk.among(connection, work.c.seq, [lease.work_id for lease in held]))
                .values(lease_owner=None, available_at_us=available_at.micros)
            )

        await self._database.write(commit)

    async def pending(self, now: Instant) -> tuple[int, float]:
        """Return how much work waits or is in hand, and the age of the oldest in seconds (0 when there is none)."""
        counted = await self._database.read(
            lambda connection: connection.execute(select(func.count(), func.min(work.c.created_us)).select_from(work))
        )
        count, oldest = counted.one()
        return count, 0.0 if oldest is None else max(0, now.micros - oldest) / _MICROS

    async def _lease(
        self, connection: AsyncConnection, available: Select[Any], owner: str, limit: int, now: Instant
    ) -> Sequence[Work]:
        chosen = await connection.execute(available.limit(limit).with_for_update(skip_locked=True, of=work))
        ids = await _fitting(connection, [row.seq for row in chosen])
        await connection.execute(
            update(work)
            .where(bulk.among(connection, work.c.seq, ids))
            .values(attempt=work.c.attempt + 1, lease_owner=owner, available_at_us=now.micros + self._lease_micros)
        )
        return await load_work(connection, ids)


async def _fitting(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[int]:
    """Return the first of *ids* whose events fit into a message together; what is left over stays unleased."""
    selected = await connection.execute(
        select(work.c.seq, func.length(alerts.c.labels_json) + func.length(events.c.annotations_json))
        .select_from(work)
        .join(events, _is_its_event())
        .join(alerts, alerts.c.fp_hash == work.c.fp_hash)
        .where(bulk.among(connection, work.c.seq, ids))
        .order_by(work.c.seq)
    )
    fitting: list[int] = []
    total = 0
    for seq, length in selected:
        total += length
        if fitting and total > _MAX_LENGTH:
            break
        fitting.append(seq)
    return fitting


async def load_work(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Work]:
    """Return leased work, oldest first, with its events and what the past says about them: two queries."""
    if not ids:
        return ()
    selected = await connection.execute(
        select(work.c.attempt, events, alerts.c.fingerprint, alerts.c.alert_name, alerts.c.labels_json)
        .select_from(work)
        .join(events, _is_its_event())
        .join(alerts, alerts.c.fp_hash == work.c.fp_hash)
        .where(bulk.among(connection, work.c.seq, ids))
        .order_by(work.c.seq)
    )
    found = selected.all()
    turns = await _turns(connection, ids)
    return [_work(row, turns.get(row.seq, [])) for row in found]


def _work(row: Row[Any], turns: Sequence[Turn]) -> Work:
    return Work(
        work_id=row.seq,
        attempt=row.attempt,
        event=rows.alert_event(row),
        history=history_context(turns, episode=row.episode, occurred_at=row.occurred_us),
    )


async def _turns(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, list[Turn]]:
    """Return the latest openings and closings before each event, the latest first."""
    past, turn = events.alias("past"), events.alias("turn")
    oldest = (
        select(past.c.seq)
        .where(past.c.fp_hash == work.c.fp_hash, past.c.seq < work.c.seq, text(f"past.{TURNS_ONLY}"))
        .order_by(past.c.seq.desc())
        .limit(1)
        .offset(TURNS - 1)
        .correlate(work)
        .scalar_subquery()
    )
    selected = await connection.execute(
        select(work.c.seq.label("work_id"), turn.c.starts_us, turn.c.ends_us, turn.c.occurred_us)
        .select_from(work)
        .join(
            turn,
            and_(
                turn.c.fp_hash == work.c.fp_hash,
                turn.c.seq < work.c.seq,
                turn.c.seq >= func.coalesce(oldest, 0),
                text(f"turn.{TURNS_ONLY}"),
            ),
        )
        .where(bulk.among(connection, work.c.seq, ids))
        .order_by(work.c.seq, turn.c.seq.desc())
    )
    found: dict[int, list[Turn]] = {}
    for work_id, start, end, occurred_at in selected:
        found.setdefault(work_id, []).append(Turn(start=start, end=end, occurred_at=occurred_at))
    return found


async def _held(connection: AsyncConnection, leases: Sequence[Lease]) -> Mapping[Lease, bytes]:
    """Return the alerts' keys of those leases that still hold, locked, oldest first."""
    selected = await connection.execute(
        select(work.c.seq, work.c.attempt, work.c.fp_hash)
        .where(bulk.among(connection, work.c.seq, [lease.work_id for lease in leases]), work.c.lease_owner.is_not(None))
        .order_by(work.c.seq)
        .with_for_update()
    )
    wanted = set(leases)
    found = {Lease(seq, attempt): key for seq, attempt, key in selected}
    return {lease: key for lease, key in found.items() if lease in wanted}


async def _judge(connection: AsyncConnection, verdicts: Mapping[bytes, Severity | None]) -> None:
    given = {key: severity.value for key, severity in verdicts.items() if severity is not None}
    # In the order in which commits lock alerts: an UPDATE that joins has none.
    known = await connection.execute(
        select(alerts.c.fp_hash, alerts.c.verdict_severity)
        .where(bulk.among(connection, alerts.c.fp_hash, given))
        .order_by(alerts.c.fp_hash)
        .with_for_update()
    )
    changed = [{"fp_hash": key, "verdict_severity": given[key]} for key, before in known if before != given[key]]
    await _JUDGE.run(connection, changed)


def _is_its_event() -> ColumnElement[bool]:
    """Both columns of the key, so that PostgreSQL looks into one partition."""
    return and_(events.c.seq == work.c.seq, events.c.occurred_us == work.c.created_us)


def _available(now: Instant) -> Select[tuple[int]]:
    """Select the work that can be handed out, oldest first."""
    return select(work.c.seq).where(work.c.available_at_us <= now.micros, ~_waits()).order_by(work.c.seq)


def _waits() -> ColumnElement[bool]:
    older = work.alias("older")
    return exists().where(older.c.fp_hash == work.c.fp_hash, older.c.seq < work.c.seq)
