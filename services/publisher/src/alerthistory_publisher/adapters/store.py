"""Deliveries in SQL."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, cast

import structlog
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
    values,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from alerthistory_common import bulk
from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant
from alerthistory_common.columns import EscapedText, escape
from alerthistory_common.crash_points import reach
from alerthistory_common.database import Database
from alerthistory_publisher.adapters import replays
from alerthistory_publisher.adapters.content import decode, encode
from alerthistory_publisher.adapters.tables import deliveries
from alerthistory_publisher.domain.decisions import Beginning
from alerthistory_publisher.domain.deliveries import (
    Claim,
    Delivery,
    DeliveryFilter,
    DeliveryState,
    Order,
    Replay,
)
from alerthistory_publisher.domain.outcomes import Result
from alerthistory_publisher.ports import Advance, Past, Room

_LOG = structlog.get_logger(__name__)
_PENDING = DeliveryState.PENDING.value
_SUPERSEDED = DeliveryState.SUPERSEDED.value
# What no claim will touch again, and nobody can revive.
_OVER = [DeliveryState.DELIVERED.value, DeliveryState.FILTERED.value, _SUPERSEDED]
# In the statement's text: with a parameter, a prepared statement's plan cannot use the indexes of what is pending.
_IS_PENDING = literal_column(f"'{_PENDING}'", Text)
_INSERT = bulk.insert(deliveries, tail="ON CONFLICT (event_id, target) DO NOTHING", without=("id", "delivered_at"))
_RECORD = bulk.update(
    deliveries, "id", ["state", "attempts", "last_result", "last_status", "due_at", "delivered_at", "receipt"]
)
_BEGINNINGS = [kind.value for kind in EventKind if kind.is_firing]
# SQLite takes 32766 parameters in a statement, and each key is two.
_KEYS_AT_ONCE = 10_000


class SqlDeliveryStore:
    """The port ``DeliveryStore`` over one table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def past(self, candidates: Sequence[tuple[AlertEvent, str]]) -> Past:
        """Return where what is ordered already stands, and the last beginnings that *candidates* may be the end of."""
        keys = list(dict.fromkeys((_hash(event.fingerprint), target) for event, target in candidates))
        names = {(_hash(event.fingerprint), target): (event.fingerprint, target) for event, target in candidates}
        event_ids = {event.event_id for event, _ in candidates}

        async def work(connection: AsyncConnection) -> Past:
            columns = (deliveries.c.event_id, deliveries.c.target, deliveries.c.state)
            same = await connection.execute(
                select(*columns).where(bulk.among(connection, deliveries.c.event_id, event_ids))
            )
            return Past(
                ordered={(row.event_id, row.target): DeliveryState(row.state) for row in same},
                beginnings={
                    names[row.fp_hash, row.target]: _beginning(row)
                    for row in await _last(connection, keys, is_beginning)
                },
            )

        return await self._database.read(work)

    async def order(self, orders: Sequence[Order]) -> None:
        """Keep *orders*, durably and in their order; those that are already kept are left alone."""

        async def work(connection: AsyncConnection) -> None:
            over = await _supersede(connection, orders)
            await _INSERT.run(
                connection, [_row(each if each.supersedes in over else _made_after(each)) for each in orders]
            )

        await self._database.write(work)

    async def advance(self, results: Sequence[Result], rooms: Sequence[Room], *, now: Instant) -> Advance:
        """Keep what came of attempts, then claim due deliveries, in one transaction.

        A result whose delivery was claimed anew meanwhile is dropped. At most as many are claimed as there is room, and
        per (target, alert) only the oldest pending.
        """

        async def work(connection: AsyncConnection) -> Advance:
            held = await _record(connection, results) if results else set[int]()
            if results:
                reach("publisher.recording")
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
        """Make those that are dead pending again; return how many. What is obsolete is superseded."""
        chosen = deliveries.c.id.in_(delivery_ids)

        async def work(connection: AsyncConnection) -> Replay:
            return await replays.replay(connection, [chosen], limit=len(delivery_ids), now=now, give_up_at=give_up_at)

        return (await self._database.write(work)).count

    async def replay(
        self,
        wanted: DeliveryFilter,
        *,
        limit: int,
        interval: timedelta,
        now: Instant,
        give_up_at: Instant,
        is_dry_run: bool,
    ) -> Replay:
        """Make at most *limit* dead deliveries pending again, the oldest first and due one *interval* after another."""
        conditions = _conditions(replace(wanted, state=None))

        async def work(connection: AsyncConnection) -> Replay:
            if is_dry_run:
                return await replays.foresee(connection, conditions, limit=limit, interval=interval, now=now)
            return await replays.replay(
                connection, conditions, limit=limit, interval=interval, now=now, give_up_at=give_up_at
            )

        return await self._database.write(work)

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
        """Delete at most *limit* of what was delivered, or decided against, before *moment*; return how many.

        What was decided last about the beginning of an alert stays: its end is told where its beginning was.
        """
        newer = deliveries.alias("newer")
        is_followed = exists().where(
            newer.c.fp_hash == deliveries.c.fp_hash, newer.c.target == deliveries.c.target, newer.c.id > deliveries.c.id
        )
        old = (
            select(deliveries.c.id)
            .where(
                deliveries.c.state.in_(_OVER),
                func.coalesce(deliveries.c.delivered_at, deliveries.c.ordered_at) < moment.micros,
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


async def _last(
    connection: AsyncConnection,
    keys: Sequence[tuple[bytes, str]],
    condition: Callable[[ReadOnlyColumnCollection[str, Any]], ColumnElement[bool]],
) -> list[Row[Any]]:
    """Return the newest row of each (hash, target) that meets *condition*; deliveries_by_alert finds them."""
    if connection.dialect.name == "postgresql":
        # A plan for any values may be from when there were few rows, and read them all.
        await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        return list(await connection.execute(newest(keys, condition)))
    found: list[Row[Any]] = []
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        found += list(await connection.execute(_newest_on_sqlite(keys[first : first + _KEYS_AT_ONCE], condition)))
    return found


def newest(
    keys: Sequence[tuple[bytes, str]],
    condition: Callable[[ReadOnlyColumnCollection[str, Any]], ColumnElement[bool]],
) -> Select[Any]:
    """Select, on PostgreSQL, the newest row of each (hash, target) that meets *condition*.

    The keys come in arrays, so that the statement is always the same. An equal target would let a plan from when there
    were few rows look at all of a target, for each key.
    """
    hashes = bindparam(None, [key for key, _ in keys], type_=ARRAY(LargeBinary), unique=True)
    targets = bindparam(None, [escape(target) for _, target in keys], type_=ARRAY(Text), unique=True)
    unnested = func.unnest(hashes, targets)
    wanted = unnested.table_valued(column("fp_hash", LargeBinary), column("target", Text)).render_derived()
    last = (
        select(deliveries)
        .where(
            deliveries.c.fp_hash == wanted.c.fp_hash,
            deliveries.c.target.is_not_distinct_from(wanted.c.target),
            condition(deliveries.c),
        )
        .order_by(deliveries.c.id.desc())
        .limit(1)
        .lateral("last")
    )
    return select(last).select_from(wanted.join(last, true()))


def _newest_on_sqlite(
    keys: Sequence[tuple[bytes, str]],
    condition: Callable[[ReadOnlyColumnCollection[str, Any]], ColumnElement[bool]],
) -> Select[Any]:
    # SQLite names the columns of a CTE only, and has no lateral joins.
    listed = values(column("fp_hash", LargeBinary), column("target", EscapedText), name="wanted").data(list(keys))
    wanted, other = listed.cte("wanted"), deliveries.alias("other")
    last = (
        select(other.c.id)
        .where(other.c.fp_hash == wanted.c.fp_hash, other.c.target == wanted.c.target, condition(other.c))
        .order_by(other.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(deliveries).select_from(wanted.join(deliveries, deliveries.c.id == last))


def is_beginning(row: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:
    """Whether *row* is about a firing."""
    return cast("ColumnElement[bool]", row.kind.in_(_BEGINNINGS))


def _is_ended_beginning(row: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:
    return and_(row.kind.in_(_BEGINNINGS), row.state.in_([DeliveryState.DELIVERED.value, DeliveryState.DEAD.value]))


async def _supersede(connection: AsyncConnection, orders: Sequence[Order]) -> set[int]:
    """End what *orders* supersede and no worker has had, and return their ids."""
    ids = [each.supersedes for each in orders if each.supersedes is not None]
    if not ids:
        return set()
    ended = (
        update(deliveries)
        .where(deliveries.c.id.in_(ids), deliveries.c.state == _IS_PENDING, deliveries.c.fence == 0)
        .values(state=_SUPERSEDED, last_result="not sent: the alert ended before")
        .returning(deliveries.c.id)
    )
    return set(await connection.scalars(ended))


def _made_after(order: Order) -> Order:
    """Return *order* as one that is delivered, when what it was to supersede is on its way already."""
    if order.supersedes is None:
        return order
    return replace(order, state=DeliveryState.PENDING, due_at=order.ordered_at, decision="")


async def _record(connection: AsyncConnection, results: Sequence[Result]) -> set[int]:
    """Write results where their claims still hold, and return the ids of those deliveries."""
    columns = deliveries.c
    locked = await connection.execute(
        select(columns.id, columns.fence, columns.attempts)
        .where(columns.id.in_([each.claim.delivery_id for each in results]), columns.state == _IS_PENDING)
        .order_by(columns.id)
        .with_for_update()
    )
    # A replica of the version before counts attempts only.
    claimed = {(row.id, row.fence, row.attempts) for row in locked}
    rows = [_result(each) for each in results if _fence(each.claim) in claimed]
    await _RECORD.run(connection, rows)
    return {row["id"] for row in rows}


def _fence(claim: Claim) -> tuple[int, int, int]:
    return claim.delivery_id, claim.fence, claim.attempt


def _result(result: Result) -> dict[str, Any]:
    claim, step = result
    return {
        "id": claim.delivery_id,
        "state": step.state.value,
        "attempts": claim.attempt if step.is_attempt else claim.attempt - 1,
        "last_result": step.result,
        "last_status": step.status,
        "due_at": _micros(step.due_at),
        "delivered_at": _micros(step.delivered_at),
        "receipt": step.receipt,
    }


async def _claim(connection: AsyncConnection, room: Room, now: Instant) -> list[Claim]:
    chosen = list(await connection.scalars(due(room, now)))
    if not chosen:
        return []
    statement = (
        update(deliveries)
        .where(deliveries.c.id.in_(chosen))
        .values(attempts=deliveries.c.attempts + 1, fence=deliveries.c.fence + 1, due_at=room.leased_until.micros)
        .returning(*deliveries.c)
    )
    rows = list(await connection.execute(statement))
    threads = await _threads(connection, rows) if room.is_threaded else {}
    claims = {row.id: claim for row in rows if (claim := _claimed(row, threads.get(row.fp_hash, ""))) is not None}
    unreadable = [row.id for row in rows if row.id not in claims and row.give_up_at < now.micros]
    if unreadable:
        reason = "gave up: no version that ran could read it"
        buried = update(deliveries).where(deliveries.c.id.in_(unreadable))
        await connection.execute(buried.values(state=DeliveryState.DEAD.value, due_at=None, last_result=reason))
    return list(claims.values())


async def _threads(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[bytes, str]:
    """Return the receipt of the beginning, by the alert's hash, for those of *rows* that tell of an end."""
    keys = [(row.fp_hash, row.target) for row in rows if row.kind not in _BEGINNINGS]
    return {row.fp_hash: row.receipt for row in await _last(connection, keys, _is_ended_beginning)}


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
    if wanted.ordered_since is not None:
        conditions.append(deliveries.c.ordered_at >= wanted.ordered_since.micros)
    if wanted.ordered_before is not None:
        conditions.append(deliveries.c.ordered_at < wanted.ordered_before.micros)
    if wanted.last_result_contains:
        conditions.append(deliveries.c.last_result.icontains(wanted.last_result_contains, autoescape=True))
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
        "state": order.state.value,
        "attempts": 0,
        "fence": 0,
        "ordered_at": order.ordered_at.micros,
        "give_up_at": order.give_up_at.micros,
        "due_at": order.due_at.micros,
        "last_result": "",
        "last_status": 0,
        "decision": order.decision,
        "receipt": "",
    }


def _beginning(row: Row[Any]) -> Beginning:
    was_held = bool(row.decision) and row.due_at is not None
    return Beginning(
        delivery_id=row.id,
        state=DeliveryState(row.state),
        ordered_at=Instant(row.ordered_at),
        due_at=Instant(row.due_at) if was_held else None,
        is_held=was_held and row.state == _PENDING and row.fence == 0,
    )


def _claimed(row: Row[Any], thread: str) -> Claim | None:
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
        fence=row.fence,
        publication=publication,
        ordered_at=Instant(row.ordered_at),
        give_up_at=Instant(row.give_up_at),
        thread=thread,
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
        next_attempt_at=Instant(row.due_at) if row.due_at is not None and row.state == _PENDING else None,
        delivered_at=None if row.delivered_at is None else Instant(row.delivered_at),
        decision=row.decision,
        receipt=row.receipt,
    )


def _hash(fingerprint: Fingerprint) -> bytes:
    return sha256(fingerprint.encode()).digest()


def _micros(moment: Instant | None) -> int | None:
    return None if moment is None else moment.micros
