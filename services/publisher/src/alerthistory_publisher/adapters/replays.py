"""Replays of dead deliveries, in SQL."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import bulk
from alerthistory_common.alerts import Instant
from alerthistory_publisher.adapters.tables import deliveries
from alerthistory_publisher.domain.deliveries import DeliveryState, Replay
from alerthistory_publisher.domain.outcomes import later

_PENDING, _DEAD = DeliveryState.PENDING.value, DeliveryState.DEAD.value
_REVIVE = bulk.update(deliveries, "id", ["state", "due_at", "give_up_at"])


async def replay(
    connection: AsyncConnection,
    conditions: Sequence[ColumnElement[bool]],
    *,
    limit: int,
    now: Instant,
    give_up_at: Instant,
    interval: timedelta = timedelta(0),
) -> Replay:
    """Make dead deliveries pending again, and end those after which a newer one of the same alert was delivered."""
    ended = update(deliveries).where(deliveries.c.id.in_(_dead(conditions, is_obsolete=True).limit(limit)))
    superseded = await connection.execute(
        ended.values(state=DeliveryState.SUPERSEDED.value, decision="replay: a newer one was delivered since")
    )
    chosen = _dead(conditions, is_obsolete=False).limit(limit + 1).with_for_update(of=deliveries)
    ids = list(await connection.scalars(chosen))
    rows = [
        {"id": each, "state": _PENDING, "due_at": due.micros, "give_up_at": later(give_up_at, interval * number).micros}
        for number, each in enumerate(ids[:limit])
        for due in [later(now, interval * number)]
    ]
    await _REVIVE.run(connection, rows)
    return _replayed(len(ids), limit=limit, interval=interval, now=now, superseded=superseded.rowcount)


async def foresee(
    connection: AsyncConnection,
    conditions: Sequence[ColumnElement[bool]],
    *,
    limit: int,
    interval: timedelta,
    now: Instant,
) -> Replay:
    """Return what ``replay`` would do, without doing it."""
    counts = [
        await connection.scalar(select(func.count()).select_from(_dead(conditions, is_obsolete=each).subquery())) or 0
        for each in (False, True)
    ]
    return _replayed(counts[0], limit=limit, interval=interval, now=now, superseded=counts[1])


def _replayed(found: int, *, limit: int, interval: timedelta, now: Instant, superseded: int) -> Replay:
    count = min(found, limit)
    return Replay(
        count=count,
        superseded_count=superseded,
        last_due_at=later(now, interval * (count - 1)) if count else None,
        has_more=found > limit,
    )


def _dead(conditions: Sequence[ColumnElement[bool]], *, is_obsolete: bool) -> Select[tuple[int]]:
    """Select the dead, oldest first, after which a newer one of the same alert was delivered, or the others."""
    newer = deliveries.alias("newer")
    is_followed = exists().where(
        newer.c.fp_hash == deliveries.c.fp_hash,
        newer.c.target == deliveries.c.target,
        newer.c.id > deliveries.c.id,
        newer.c.state == DeliveryState.DELIVERED.value,
    )
    followed = is_followed if is_obsolete else ~is_followed
    return select(deliveries.c.id).where(deliveries.c.state == _DEAD, *conditions, followed).order_by(deliveries.c.id)
