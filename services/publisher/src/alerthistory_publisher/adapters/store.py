"""Deliveries in SQL."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, Select, Text, delete, exists, func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import bulk
from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant
from alerthistory_common.database import Database
from alerthistory_publisher.adapters.content import decode, encode
from alerthistory_publisher.adapters.tables import deliveries
from alerthistory_publisher.domain.deliveries import (
    Claim,
    Delivery,
    DeliveryFilter,
    DeliveryState,
    Figures,
    Order,
    TargetFigures,
)
from alerthistory_publisher.domain.outcomes import Result
from alerthistory_publisher.ports import Advance, Room

_LOG = structlog.get_logger(__name__)
_PENDING = DeliveryState.PENDING.value
# In the statement's text: with a parameter, a prepared statement's plan cannot use the indexes of what is pending.
_IS_PENDING = literal_column(f"'{_PENDING}'", Text)
_INSERT = bulk.insert(deliveries, tail="ON CONFLICT (event_id, target) DO NOTHING", without=("id", "delivered_at"))
_RECORD = bulk.update(deliveries, "id", ["state", "last_result", "last_status", "due_at", "delivered_at"])
_BEGINNINGS = [kind.value for kind in EventKind if kind.is_firing]


class SqlDeliveryStore:
    """The port ``DeliveryStore`` over one table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def order(self, orders: Sequence[Order]) -> None:
        """Keep *orders*, durably and in their order; those that are already kept are left alone."""
        rows = [_row(order) for order in orders]
        await self._database.write(lambda connection: _INSERT.run(connection, rows))

    async def told(self, candidates: Sequence[tuple[AlertEvent, str]]) -> set[tuple[str, str]]:
        """Return the (event id, target) of those *candidates* that were ordered, or that end what was ordered."""
        event_ids = {event.event_id for event, _ in candidates}
        ended = {_hash(event.fingerprint) for event, _ in candidates if not event.kind.is_firing}
        same = select(deliveries.c.event_id, deliveries.c.target).where(deliveries.c.event_id.in_(event_ids))
        begun = (
            select(deliveries.c.fp_hash, deliveries.c.target)
            .where(deliveries.c.fp_hash.in_(ended), deliveries.c.kind.in_(_BEGINNINGS))
            .distinct()
        )

        async def work(connection: AsyncConnection) -> set[tuple[str, str]]:
            ordered = {(row.event_id, row.target) for row in await connection.execute(same)}
            open_ones = {(row.fp_hash, row.target) for row in await connection.execute(begun)}
            return ordered | {
                (event.event_id, target)
                for event, target in candidates
                if not event.kind.is_firing and (_hash(event.fingerprint), target) in open_ones
            }

        return await self._database.read(work)

    async def advance(self, results: Sequence[Result], rooms: Sequence[Room], *, now: Instant) -> Advance:
        """Keep what came of attempts, then claim due deliveries, in one transaction.

        A result whose delivery was claimed anew meanwhile is dropped. At most as many are claimed as there is room, and
        per (target, alert) only the oldest pending.
        """

        async def work(connection: AsyncConnection) -> Advance:
            held = await _record(connection, results) if results else set[int]()
            claims = [claim for room in rooms for claim in await _claim(connection, room, now)]
            return Advance(held=held, claims=claims)

        return await self._database.write(work)

    async def list_page(self, wanted: DeliveryFilter, *, limit: int, before: int | None) -> list[Delivery]:
        """Return deliveries, newest first, with identities below *before*."""
        conditions = _conditions(wanted)
        if before is not None:
            conditions.append(deliveries.c.id < before)
        statement = select(deliveries).where(*conditions).order_by(deliveries.c.id.desc()).limit(limit)
        result = await self._database.read(lambda connection: connection.execute(statement))
        return [_delivery(row) for row in result]

    async def retry(self, delivery_ids: Sequence[int], *, now: Instant, give_up_at: Instant) -> int:
        """Make those that are dead pending again; return how many."""
        statement = (
            update(deliveries)
            .where(deliveries.c.id.in_(delivery_ids), deliveries.c.state == DeliveryState.DEAD.value)
            .values(state=_PENDING, due_at=now.micros, give_up_at=give_up_at.micros)
        )
        result = await self._database.write(lambda connection: connection.execute(statement))
        return result.rowcount

    async def bury(self, targets: Sequence[str], *, now: Instant) -> int:
        """Give up what is too old and waits for none of *targets*; return how many."""
        statement = (
            update(deliveries)
            .where(
                deliveries.c.state == _IS_PENDING,
                deliveries.c.give_up_at < now.micros,
                deliveries.c.due_at <= now.micros,
                deliveries.c.target.not_in(targets),
            )
            .values(state=DeliveryState.DEAD.value, due_at=None, last_result="gave up: the target is gone or disabled")
        )
        result = await self._database.write(lambda connection: connection.execute(statement))
        return result.rowcount

    async def delete_before(self, moment: Instant, limit: int) -> int:
        """Delete at most *limit* of what was delivered before *moment*; return how many.

        What told a target last of an alert that began to fire stays: its end is told where its beginning was.
        """
        newer = deliveries.alias("newer")
        is_followed = exists().where(
            newer.c.fp_hash == deliveries.c.fp_hash, newer.c.target == deliveries.c.target, newer.c.id > deliveries.c.id
        )
        old = (
            select(deliveries.c.id)
            .where(
                deliveries.c.state == DeliveryState.DELIVERED.value,
                deliveries.c.delivered_at < moment.micros,
                or_(deliveries.c.kind.not_in(_BEGINNINGS), is_followed),
            )
            .order_by(deliveries.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=deliveries)
        )

        async def work(connection: AsyncConnection) -> int:
            ids = list(await connection.scalars(old))
            return (await connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))).rowcount

        return await self._database.write(work)

    async def figures(self) -> Figures:
        """Return how many deliveries stand where."""

        async def work(connection: AsyncConnection) -> Figures:
            counts = await connection.execute(
                select(deliveries.c.state, func.count().label("number")).group_by(deliveries.c.state)
            )
            oldest = select(func.min(deliveries.c.ordered_at)).where(deliveries.c.state == _IS_PENDING)
            since = await connection.scalar(oldest)
            by_state = {row.state: row.number for row in counts}
            return Figures(**by_state, oldest_pending_at=None if since is None else Instant(since))

        return await self._database.read(work)

    async def figures_by_target(self) -> list[TargetFigures]:
        """Return how many deliveries stand where, of each target that has any, by name."""
        statement = (
            select(
                deliveries.c.target,
                deliveries.c.state,
                func.count().label("number"),
                func.max(deliveries.c.delivered_at).label("last"),
            )
            .group_by(deliveries.c.target, deliveries.c.state)
            .order_by(deliveries.c.target)
        )
        rows = list(await self._database.read(lambda connection: connection.execute(statement)))
        return [_target_figures(name, list(group)) for name, group in groupby(rows, key=lambda row: row.target)]


async def _record(connection: AsyncConnection, results: Sequence[Result]) -> set[int]:
    """Write results where their claims still hold, and return the ids of those deliveries."""
    columns = deliveries.c
    locked = await connection.execute(
        select(columns.id, columns.attempts)
        .where(columns.id.in_([each.claim.delivery_id for each in results]), columns.state == _IS_PENDING)
        .order_by(columns.id)
        .with_for_update()
    )
    claimed = {(row.id, row.attempts) for row in locked}
    rows = [_result(each) for each in results if (each.claim.delivery_id, each.claim.attempt) in claimed]
    await _RECORD.run(connection, rows)
    return {row["id"] for row in rows}


def _result(result: Result) -> dict[str, Any]:
    claim, step = result
    return {
        "id": claim.delivery_id,
        "state": step.state.value,
        "last_result": step.result,
        "last_status": step.status,
        "due_at": _micros(step.due_at),
        "delivered_at": _micros(step.delivered_at),
    }


async def _claim(connection: AsyncConnection, room: Room, now: Instant) -> list[Claim]:
    chosen = list(await connection.scalars(due(room, now)))
    if not chosen:
        return []
    statement = (
        update(deliveries)
        .where(deliveries.c.id.in_(chosen))
        .values(attempts=deliveries.c.attempts + 1, due_at=room.leased_until.micros)
        .returning(*deliveries.c)
    )
    rows = list(await connection.execute(statement))
    claims = {row.id: claim for row in rows if (claim := _claimed(row)) is not None}
    unreadable = [row.id for row in rows if row.id not in claims and row.give_up_at < now.micros]
    if unreadable:
        reason = "gave up: no version that ran could read it"
        buried = update(deliveries).where(deliveries.c.id.in_(unreadable))
        await connection.execute(buried.values(state=DeliveryState.DEAD.value, due_at=None, last_result=reason))
    return list(claims.values())


def due(room: Room, now: Instant) -> Select[tuple[int]]:
    """Select what can be claimed: due, and the oldest of its alert for its target."""
    older = deliveries.alias("older")
    # OFFSET keeps PostgreSQL from joining: it asks deliveries_line for each row in turn, and stops at the last slot.
    # An equal target would let it ask deliveries_due, by plans from when nothing waited: all that waits, for each row.
    waits = (
        select(older.c.id)
        .where(
            older.c.target.is_not_distinct_from(deliveries.c.target),
            older.c.fp_hash == deliveries.c.fp_hash,
            older.c.state == _IS_PENDING,
            older.c.id < deliveries.c.id,
        )
        .offset(0)
        .exists()
    )
    return (
        select(deliveries.c.id)
        .where(
            deliveries.c.state == _IS_PENDING,
            deliveries.c.target == room.target,
            deliveries.c.due_at <= now.micros,
            ~waits,
        )
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(room.slots)
        .with_for_update(skip_locked=True)
    )


def _conditions(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(deliveries.c.state == wanted.state.value)
    if wanted.target is not None:
        conditions.append(deliveries.c.target == wanted.target)
    if wanted.fingerprint is not None:
        conditions.append(deliveries.c.fp_hash == _hash(wanted.fingerprint))
    return conditions


def _row(order: Order) -> dict[str, Any]:
    event = order.publication.event
    return {
        "event_id": event.event_id,
        "target": order.target,
        "fp_hash": _hash(event.fingerprint),
        "fingerprint": event.fingerprint,
        "alert_name": event.alert_name,
        "kind": event.kind.value,
        "content": encode(order.publication),
        "state": _PENDING,
        "attempts": 0,
        "ordered_at": order.ordered_at.micros,
        "give_up_at": order.give_up_at.micros,
        "due_at": order.ordered_at.micros,
        "last_result": "",
        "last_status": 0,
    }


def _claimed(row: Row[Any]) -> Claim | None:
    """Return the claim; None when its content is of another version: its lease runs out, and others may know better."""
    try:
        publication = decode(row.content)
    except (ValueError, LookupError, TypeError) as error:
        _LOG.error("a delivery cannot be read by this version", delivery_id=row.id, target=row.target, error=str(error))
        return None
    return Claim(
        delivery_id=row.id,
        target=row.target,
        attempt=row.attempts,
        fence=row.attempts,
        publication=publication,
        ordered_at=Instant(row.ordered_at),
        give_up_at=Instant(row.give_up_at),
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        delivery_id=row.id,
        event_id=row.event_id,
        target=row.target,
        fingerprint=Fingerprint(row.fingerprint),
        alert_name=row.alert_name,
        kind=EventKind(row.kind),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        last_result=row.last_result,
        last_status_code=row.last_status,
        ordered_at=Instant(row.ordered_at),
        next_attempt_at=None if row.due_at is None else Instant(row.due_at),
        delivered_at=None if row.delivered_at is None else Instant(row.delivered_at),
    )


def _target_figures(name: str, rows: Sequence[Row[Any]]) -> TargetFigures:
    last = [row.last for row in rows if row.last is not None]
    return TargetFigures(
        target=name,
        **{row.state: row.number for row in rows},
        last_delivered_at=Instant(max(last)) if last else None,
    )


def _hash(fingerprint: Fingerprint) -> bytes:
    return sha256(fingerprint.encode()).digest()


def _micros(moment: Instant | None) -> int | None:
    return None if moment is None else moment.micros
