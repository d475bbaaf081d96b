"""Events in their order.

PostgreSQL gives sequence numbers before commits, so a reader at *n* could miss a lower number that is committed later.
Readers therefore follow (txid, seq) and stop before the first transaction that a running one may still precede. The
events of one alert are written under its lock and never out of this order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, Row, Select, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.database import Database
from alerthistory_history.domain.records import EventFilter, EventPage, Position

from . import conditions, rows
from .dialects import dialect_named
from .selecting import all_rows, select_alerts, walk
from .tables import alerts, events

# A partition holds as much, and to skip half of one takes longer than to sort what is within this.
_NARROW_US = timedelta(days=2) // timedelta(microseconds=1)


class SqlEventStore:
    """Reads the table ``events``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = dialect_named(database.dialect)

    async def after(self, position: Position, *, limit: int) -> EventPage:
        """Return the events after *position* which no unfinished commit can precede any more."""
        order = _Order((events.c.txid, events.c.seq), newest_first=False)
        following = _first([order.is_beyond(position)], order, limit)
        found = await self._rows(
            _with_content(following.add_columns(self._dialect.is_final().label("is_final")), order)
        )
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
        order = _Order((events.c.seq,) if wanted.fingerprint else (events.c.txid, events.c.seq), newest_first)
        met = conditions.of_events(wanted)
        if not (newest_first and after):
            # What precedes a position is final. Said twice, the index would be read from the latest final event on.
            met.append(self._dialect.is_final())

        async def page(connection: AsyncConnection) -> Sequence[Row[Any]]:
            await self._dialect.plan_for_values(connection)
            selected = await select_alerts(connection, self._dialect, wanted.of, events)
            is_narrow = selected.condition is None and _is_narrow(wanted)
            found = met if selected.condition is None else [*met, selected.condition]

            async def fetch(last: Row[Any] | None, step: int) -> Sequence[Row[Any]]:
                position = after if last is None else Position(last.txid, last.seq)
                here = found if position is None else [*found, order.is_beyond(position)]
                some = _first_within(here, order, step) if is_narrow else _first(here, order, step)
                return await all_rows(connection, _with_content(some, order))

            if selected.keys is None or selected.condition is not None:
                return await fetch(None, limit)
            return await walk(fetch, lambda row: selected.holds(row.fp_hash), limit=limit)

        return EventPage(events=[rows.alert_event(row) for row in await self._database.read(page)])

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        selected = await self._database.read(lambda connection: connection.execute(query))
        found: Sequence[Row[Any]] = selected.all()
        return found


@dataclass(frozen=True, slots=True)
class _Order:
    """By which columns of ``events``, the last of which are those of a position."""

    columns: Sequence[Column[int]]
    newest_first: bool

    def of(self, table: FromClause) -> Sequence[ColumnElement[int]]:
        """Return the order of rows of *table*, which holds the columns."""
        columns = [table.c[column.name] for column in self.columns]
        return [column.desc() for column in columns] if self.newest_first else columns

    def is_beyond(self, position: Position) -> ColumnElement[bool]:
        """Whether an event comes after *position*."""
        place, here = tuple_(*self.columns), tuple_(*position[-len(self.columns) :])
        return place < here if self.newest_first else place > here


def _is_narrow(wanted: EventFilter) -> bool:
    if wanted.fingerprint or wanted.occurred_from is None or wanted.occurred_to is None:
        return False
    return wanted.occurred_to - wanted.occurred_from <= _NARROW_US


def _first(met: Sequence[ColumnElement[bool]], order: _Order, limit: int) -> Select[Any]:
    return select(events).where(*met).order_by(*order.of(events)).limit(limit)


def _first_within(met: Sequence[ColumnElement[bool]], order: _Order, limit: int) -> Select[Any]:
    """Return the first of the events of a short time: all that the index by time knows of them is read and sorted.

    The planner would rather walk through the events in their order, and pass over all that came later; the offset
    keeps it from that.
    """
    known = select(events.c.txid, events.c.seq, events.c.occurred_us).where(*met).offset(0).subquery("known")
    first = select(known).order_by(*order.of(known)).limit(limit).subquery("first")
    is_same = and_(events.c.seq == first.c.seq, events.c.occurred_us == first.c.occurred_us)
    return select(events).join(first, is_same)


def _with_content(query: Select[Any], order: _Order) -> Select[Any]:
    """Return *query* of a page of events with what their alerts hold, which is looked up for the page alone."""
    page = query.subquery("page")
    content = (alerts.c.fingerprint, alerts.c.alert_name, alerts.c.labels_json)
    return select(page, *content).join(alerts, alerts.c.fp_hash == page.c.fp_hash).order_by(*order.of(page))
