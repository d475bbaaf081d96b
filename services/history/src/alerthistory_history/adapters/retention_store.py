"""Deletes what is old, a bounded number of rows at a time, and tells beforehand what would go.

Rows are deleted under the lock of their alert, taken in the order in which commits take them; alerts that a commit has
locked are passed over until the next run. So neither ever waits long for the other, and no report of an alert can come
between the look at it and its end.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    MetaData,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.database import Database
from alerthistory_history.domain.retention import Cutoff, Swept, TablePlan, TableSize

from .partition_store import DEFAULT, PAST, SqlPartitionStore, be_alone
from .rows import MICROS_PER_HOUR
from .tables import alerts, events, occurrences, quarantine, work

_SIZED = ("events", "occurrences", "alerts", "work", "quarantine")
_VACUUM_PAGES = 2000
_SAMPLE = 1000


class SqlRetentionStore:
    """Deletes from all tables of history."""

    def __init__(self, database: Database, partitions: SqlPartitionStore) -> None:
        self._database = database
        self._partitions = partitions

    async def sweep(self, table: str, cutoff: Cutoff, *, after: tuple[Any, ...] | None, limit: int) -> Swept:
        """Delete at most *limit* old rows of *table* with keys after *after*."""
        match table:
            case "events":
                return await self._sweep_events(cutoff, after, limit)
            case "occurrences":
                return await self._sweep_occurrences(cutoff, after, limit)
            case "alerts":
                return await self._sweep_alerts(cutoff, after, limit)
            case "quarantine":
                return await self._sweep_quarantine(cutoff, limit)
        raise LookupError(table)

    async def plan(self, cutoff: Cutoff) -> Sequence[TablePlan]:
        """Return what would go now, by table."""
        sizes = {each.table: each for each in await self.sizes()}

        async def count(connection: AsyncConnection) -> dict[str, int]:
            wanted = {
                "events": _event_goes(events, cutoff),
                "occurrences": _occurrence_goes(cutoff),
                "alerts": _alert_goes(cutoff),
                "quarantine": quarantine.c.received_us < cutoff.moment,
            }
            return {
                name: await connection.scalar(select(func.count()).select_from(_TABLES[name]).where(condition)) or 0
                for name, condition in wanted.items()
            }

        counts = await self._database.read(count)
        return [
            TablePlan(table=name, rows=rows, bytes=sizes[name].bytes * rows // max(1, rows, sizes[name].rows))
            for name, rows in counts.items()
        ]

    async def sizes(self) -> Sequence[TableSize]:
        """Return how large the tables are."""
        is_postgresql = self._database.dialect == "postgresql"
        return await self._database.read(_postgresql_sizes if is_postgresql else _sqlite_sizes)

    async def reclaim(self) -> bool:
        """Give some space back to the file system; return whether there is more. PostgreSQL's vacuum does it itself."""
        if self._database.dialect == "postgresql":
            return False
        free = await self._database.write(_vacuum)
        await self._database.checkpoint()
        return free > 0

    async def _sweep_events(self, cutoff: Cutoff, after: tuple[Any, ...] | None, limit: int) -> Swept:
        names = [each.name for each in await self._partitions.partitions() if each.name == PAST]
        tables = [_events_in(name) for name in (*names, DEFAULT)] if self._partitions.has_partitions else [events]
        number, seq = after or (0, -1)
        table = tables[number] if number < len(tables) else tables[-1]
        page = select(table.c.seq, table.c.occurred_us).where(table.c.seq > seq).order_by(table.c.seq).limit(limit)
        rows = (await self._database.read(lambda connection: connection.execute(page))).all()
        old = [row.seq for row in rows if row.occurred_us < cutoff.events]
        deleted = 0
        if old:
            doomed = delete(table).where(table.c.seq.in_(old), _event_goes(table, cutoff))
            deleted = await self._delete_alone(doomed)
        # Numbers grow with time: after a page that is young as a whole comes nothing old, save in the default one.
        is_over = len(rows) < limit or (not old and table.name != DEFAULT)
        if not is_over:
            return Swept(deleted=deleted, after=(number, rows[-1].seq))
        return Swept(deleted=deleted, after=(number + 1, -1) if number + 1 < len(tables) else None)

    async def _sweep_occurrences(self, cutoff: Cutoff, after: tuple[Any, ...] | None, limit: int) -> Swept:
        key = (occurrences.c.starts_us, occurrences.c.fp_hash)
        page = _page(select(*key).where(_occurrence_goes(cutoff)), key, after, limit)
        rows = (await self._database.read(lambda connection: connection.execute(page))).all()

        async def commit(connection: AsyncConnection) -> int:
            locked = await _lock(connection, {bytes(row.fp_hash) for row in rows})
            chosen = [(row.starts_us, row.fp_hash) for row in rows if bytes(row.fp_hash) in locked]
            doomed = delete(occurrences).where(tuple_(*key).in_(chosen), _occurrence_goes(cutoff))
            return (await connection.execute(doomed)).rowcount

        return await self._swept(rows, commit, limit)

    async def _sweep_alerts(self, cutoff: Cutoff, after: tuple[Any, ...] | None, limit: int) -> Swept:
        key = (alerts.c.last_seen_us, alerts.c.fp_hash)
        page = _page(select(*key).where(_alert_goes(cutoff)), key, after, limit)
        rows = (await self._database.read(lambda connection: connection.execute(page))).all()

        async def commit(connection: AsyncConnection) -> int:
            locked = await _lock(connection, {bytes(row.fp_hash) for row in rows})
            doomed = delete(alerts).where(alerts.c.fp_hash.in_(locked), _alert_goes(cutoff))
            return (await connection.execute(doomed)).rowcount

        return await self._swept(rows, commit, limit)

    async def _sweep_quarantine(self, cutoff: Cutoff, limit: int) -> Swept:
        old = (
            select(quarantine.c.id)
            .where(quarantine.c.received_us < cutoff.moment)
            .order_by(quarantine.c.received_us, quarantine.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

        async def commit(connection: AsyncConnection) -> int:
            ids = (await connection.execute(old)).scalars().all()
            return (await connection.execute(delete(quarantine).where(quarantine.c.id.in_(ids)))).rowcount

        deleted = await self._database.write(commit)
        return Swept(deleted=deleted, after=() if deleted == limit else None)

    async def _swept(
        self, rows: Sequence[Any], commit: Callable[[AsyncConnection], Awaitable[int]], limit: int
    ) -> Swept:
        deleted = await self._database.write(commit) if rows else 0
        return Swept(deleted=deleted, after=tuple(rows[-1]) if len(rows) == limit else None)

    async def _delete_alone(self, doomed: Delete) -> int:
        async def commit(connection: AsyncConnection) -> int:
            if connection.dialect.name == "postgresql":
                await be_alone(connection)
            return (await connection.execute(doomed)).rowcount

        return await self._database.write(commit)


_TABLES = {"events": events, "occurrences": occurrences, "alerts": alerts, "quarantine": quarantine}


def _events_in(partition: str) -> Table:
    return events.to_metadata(MetaData(), name=partition)


def _event_goes(table: Table, cutoff: Cutoff) -> ColumnElement[bool]:
    """Old, its work is done, and its alert does not fire since."""
    is_pending = exists().where(work.c.seq == table.c.seq)
    is_of_open_episode = exists().where(
        alerts.c.fp_hash == table.c.fp_hash, alerts.c.is_firing, table.c.episode >= alerts.c.times_fired
    )
    return and_(table.c.occurred_us < cutoff.events, ~is_pending, ~is_of_open_episode)


def _occurrence_goes(cutoff: Cutoff) -> ColumnElement[bool]:
    """Old, and not of an open episode. The bound on starts is what the index knows: nothing is received before it."""
    kept = occurrences.c
    is_of_open_episode = exists().where(
        alerts.c.fp_hash == kept.fp_hash,
        alerts.c.is_firing,
        or_(kept.is_firing, kept.starts_us >= alerts.c.start_us),
    )
    return and_(
        kept.starts_us < cutoff.moment,
        func.coalesce(kept.imported_us, kept.last_received_us) < cutoff.moment,
        ~is_of_open_episode,
    )


def _alert_goes(cutoff: Cutoff) -> ColumnElement[bool]:
    """Old, nothing open or held, and nothing left that speaks of it: a late copy would be older than all we keep."""
    event, occurrence = events.alias(), occurrences.alias()
    of_alert = alerts.c.fp_hash
    older_occurrence = and_(
        occurrence.c.starts_us < cutoff.moment,
        func.coalesce(occurrence.c.imported_us, occurrence.c.last_received_us) < cutoff.moment,
    )
    return and_(
        # The hour has an index, the moment has none.
        alerts.c.seen_hour <= cutoff.moment // MICROS_PER_HOUR,
        alerts.c.last_seen_us < cutoff.moment,
        ~alerts.c.is_firing,
        alerts.c.settle_due_us.is_(None),
        ~exists().where(event.c.fp_hash == of_alert, event.c.occurred_us >= cutoff.events),
        ~exists().where(occurrence.c.fp_hash == of_alert, ~older_occurrence),
        ~exists().where(work.c.fp_hash == of_alert),
    )


def _page(
    query: Select[Any], key: tuple[ColumnElement[Any], ...], after: tuple[Any, ...] | None, limit: int
) -> Select[Any]:
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    return query.order_by(*key).limit(limit)


async def _lock(connection: AsyncConnection, keys: set[bytes]) -> set[bytes]:
    """Lock those alerts that nobody else has locked, and return their keys."""
    chosen = (
        select(alerts.c.fp_hash)
        .where(alerts.c.fp_hash.in_(sorted(keys)))
        .order_by(alerts.c.fp_hash)
        .with_for_update(skip_locked=True)
    )
    return {bytes(key) for key in (await connection.execute(chosen)).scalars()}


async def _postgresql_sizes(connection: AsyncConnection) -> Sequence[TableSize]:
    found = await connection.execute(
        text(
            "SELECT t.name, coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint,"
            " coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint"
            " FROM unnest(CAST(:names AS text[])) AS t (name),"
            " LATERAL (SELECT CAST(t.name AS regclass) AS oid UNION ALL"
            " SELECT inhrelid FROM pg_inherits WHERE inhparent = CAST(t.name AS regclass)) AS r"
            " JOIN pg_class c ON c.oid = r.oid WHERE c.relkind = 'r' GROUP BY t.name"
        ),
        {"names": list(_SIZED)},
    )
    by_name = {name: TableSize(table=name, rows=rows, bytes=size) for name, rows, size in found}
    return [by_name[name] for name in _SIZED if name in by_name]


async def _sqlite_sizes(connection: AsyncConnection) -> Sequence[TableSize]:
    """Return row counts, and as bytes what a sample of the rows holds: pages are not counted by table."""
    found = []
    for table in (events, occurrences, alerts, work, quarantine):
        rows = await connection.scalar(select(func.count()).select_from(table)) or 0
        sample = select(table).limit(_SAMPLE).subquery()
        length = reduce(add, (func.coalesce(func.length(column), 0) for column in sample.c))
        average = await connection.scalar(select(func.avg(length))) or 0
        found.append(TableSize(table=table.name, rows=rows, bytes=int(rows * average)))
    return found


async def _vacuum(connection: AsyncConnection) -> int:
    """Return how many free pages are left after giving some back."""
    raw = await connection.get_raw_connection()
    if (driver := raw.driver_connection) is not None:
        # It gives a page back with every row that is fetched, and SQLAlchemy sees no columns, so fetches none.
        await (await driver.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")).fetchall()
    is_incremental = (await connection.exec_driver_sql("PRAGMA auto_vacuum")).scalar() == 2
    return int((await connection.exec_driver_sql("PRAGMA freelist_count")).scalar() or 0) if is_incremental else 0
