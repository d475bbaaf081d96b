"""Events in their order.

PostgreSQL gives sequence numbers before commits, so a reader at *n* could miss a lower number that is committed later.
Readers therefore follow (txid, seq) and stop before the first transaction that a running one may still precede. The
events of one alert are written under its lock and never out of this order.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.database import Database
from alerthistory_history.domain.records import EventFilter, EventPage, Position

from . import conditions, rows
from .dialects import dialect_named
from .selecting import all_rows, select_alerts, walk
from .tables import alerts, events


class SqlEventStore:
    """Reads the table ``events``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = dialect_named(database.dialect)

    async def after(self, position: Position, *, limit: int) -> EventPage:
        """Return the events after *position* which no unfinished commit can precede any more."""
        query = (
            self._with_content()
            .add_columns(self._dialect.is_final().label("is_final"))
            .where(tuple_(events.c.txid, events.c.seq) > tuple_(*position))
            .order_by(events.c.txid, events.c.seq)
            .limit(limit)
        )
        found = await self._rows(query)
        final = [row for row in found if row.is_final]
        return EventPage(events=[rows.alert_event(row) for row in final], is_held_back=len(final) < len(found))

    async def start(self, *, backlog: int) -> Position:
        """Return the position before the last *backlog* events."""
        query = (
            select(events.c.txid, events.c.seq)
            .where(self._dialect.is_final())
            .order_by(events.c.txid.desc(), events.c.seq.desc())
            .limit(1)
            .offset(backlog)
        )
        found = await self._rows(query)
        return Position(found[0].txid, found[0].seq) if found else Position(0, 0)

    async def page(self, wanted: EventFilter, *, newest_first: bool, after: Position | None, limit: int) -> EventPage:
        """Return a page of the events that are wanted."""
        order = (events.c.seq,) if wanted.fingerprint else (events.c.txid, events.c.seq)
        place = tuple_(*order)
        base = self._with_content().where(self._dialect.is_final(), *conditions.of_events(wanted))
        base = base.order_by(*(column.desc() if newest_first else column for column in order))

        async def page(connection: AsyncConnection) -> Sequence[Row[Any]]:
            selected = await select_alerts(connection, self._dialect, wanted.of, events)
            query = base if selected.condition is None else base.where(selected.condition)

            async def fetch(last: Row[Any] | None, step: int) -> Sequence[Row[Any]]:
                position = after if last is None else Position(last.txid, last.seq)
                some = query.limit(step)
                if position is not None:
                    here = tuple_(*(position[1:] if wanted.fingerprint else position))
                    some = some.where(place < here if newest_first else place > here)
                return await all_rows(connection, some)

            if selected.keys is None or selected.condition is not None:
                return await fetch(None, limit)
            return await walk(fetch, lambda row: selected.holds(row.fp_hash), limit=limit)

        return EventPage(events=[rows.alert_event(row) for row in await self._database.read(page)])

    def _with_content(self) -> Select[Any]:
        content = (alerts.c.fingerprint, alerts.c.alert_name, alerts.c.labels_json)
        return select(events, *content).select_from(events).join(alerts, alerts.c.fp_hash == events.c.fp_hash)

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        selected = await self._database.read(lambda connection: connection.execute(query))
        found: Sequence[Row[Any]] = selected.all()
        return found
