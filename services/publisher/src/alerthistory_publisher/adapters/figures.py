"""Figures about deliveries in SQL: the same from every replica, whoever made them."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Text, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import bulk
from alerthistory_common.alerts import EventKind, Instant
from alerthistory_common.breaker import BreakerState
from alerthistory_common.database import Database
from alerthistory_publisher.adapters.tables import breakers, deliveries
from alerthistory_publisher.domain.deliveries import BreakerStanding, DeliveryState, Figures, TargetFigures

# In the statement's text: with a parameter, a prepared statement's plan cannot use the indexes of what is pending.
_IS_PENDING = literal_column(f"'{DeliveryState.PENDING.value}'", Text)
_BEGINNINGS = [kind.value for kind in EventKind if kind.is_firing]
_BREAKERS = bulk.insert(
    breakers, tail="ON CONFLICT (target) DO UPDATE SET state = excluded.state, open_until = excluded.open_until"
)
_RECENT_ROWS = 10_000


class SqlFigures:
    """The port ``FigureStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

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

        async def work(connection: AsyncConnection) -> list[TargetFigures]:
            rows = list(await connection.execute(statement))
            seen = {row.target: _breaker(row) for row in await connection.execute(select(breakers))}
            by_name = groupby(rows, key=lambda row: row.target)
            return [_target_figures(name, list(group), seen.get(name)) for name, group in by_name]

        return await self._database.read(work)

    async def recently_fired(self, since: Instant) -> int:
        """Return how many alerts were ordered to be told as firing at *since* or later, of the 10 000 latest orders."""
        latest = select(deliveries).order_by(deliveries.c.id.desc()).limit(_RECENT_ROWS).subquery()
        statement = select(func.count(latest.c.fp_hash.distinct())).where(
            latest.c.ordered_at >= since.micros, latest.c.kind.in_(_BEGINNINGS)
        )
        return await self._database.read(lambda connection: connection.scalar(statement)) or 0

    async def keep_breakers(self, seen: Mapping[str, BreakerStanding]) -> None:
        """Keep how the targets' circuit breakers were seen last."""
        rows = [
            {"target": name, "state": each.state.value, "open_until": _micros(each.open_until)}
            for name, each in sorted(seen.items())
        ]
        await self._database.write(lambda connection: _BREAKERS.run(connection, rows))


def _breaker(row: Row[Any]) -> BreakerStanding:
    return BreakerStanding(
        state=BreakerState(row.state), open_until=None if row.open_until is None else Instant(row.open_until)
    )


def _target_figures(name: str, rows: Sequence[Row[Any]], breaker: BreakerStanding | None) -> TargetFigures:
    last = [row.last for row in rows if row.last is not None]
    return TargetFigures(
        target=name,
        **{row.state: row.number for row in rows},
        last_delivered_at=Instant(max(last)) if last else None,
        breaker=breaker,
    )


def _micros(moment: Instant | None) -> int | None:
    return None if moment is None else moment.micros
