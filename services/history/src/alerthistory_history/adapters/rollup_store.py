"""Counts of events, kept beside them: how far they go, how they grow, how they are dropped."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, delete, exists, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import bulk
from alerthistory_common.alerts import EventKind, Fingerprint, Instant
from alerthistory_common.database import Database
from alerthistory_history.domain.counts import DAY, HOUR, AlertDay, Counts
from alerthistory_history.domain.records import Position
from alerthistory_history.domain.rollups import CountedAlert, CountedEvent, Folded, Uncounted, alert_key
from alerthistory_history.domain.slices import Dimension, group_of

from . import rollup_rows
from .dialects import Dialect, dialect_named
from .rollup_tables import (
    rollup_alert_days,
    rollup_alerts,
    rollup_days,
    rollup_hours,
    rollup_progress,
    rollup_slices,
)
from .rows import Values
from .tables import alerts, events

COUNTS = {HOUR: rollup_hours, DAY: rollup_days}
_BEGIN = Position(0, 0)


def _replacing(table: Table, *kept: str, only: str = "true") -> bulk.Bulk:
    """Return an INSERT that replaces all but the key and what is *kept*."""
    replaced = [
        f"{each.name} = excluded.{each.name}" for each in table.c if not each.primary_key and each.name not in kept
    ]
    keys = ", ".join(each.name for each in table.primary_key)
    return bulk.insert(table, tail=f"ON CONFLICT ({keys}) DO UPDATE SET {', '.join(replaced)} WHERE {only}")


_PUT_COUNTS = {table: _replacing(table) for table in COUNTS.values()}
_PUT_ALERT_DAYS = _replacing(rollup_alert_days)
_PUT_ALERTS = _replacing(rollup_alerts, "fp_hash", "fingerprint", "name_hash", "namespace_hash", "severity_hash")
_PUT_SLICES = _replacing(
    rollup_slices,
    *("dimensions", "name_hash", "namespace_hash", "severity_hash", "content"),
    only="rollup_slices.last_day < excluded.last_day",
)
_KEYS_AT_ONCE = 10_000
_FIRING = select(alerts.c.fp_hash).where(alerts.c.is_firing)
_PERIODICAL = (rollup_hours, rollup_days, rollup_alert_days)


class SqlRollupStore:
    """Writes the tables of counts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = dialect_named(database.dialect)

    async def position(self) -> Position:
        """Return where the last counted event stands."""
        return await self._database.read(counted_through)

    async def uncounted(self, position: Position, *, limit: int) -> Uncounted:
        """Return at most *limit* events after *position* which no unfinished commit can precede any more."""
        return await self._database.read(
            lambda connection: uncounted(connection, self._dialect, position, limit=limit, is_final=True)
        )

    async def oldest_uncounted(self) -> Instant | None:
        """Return when the first event happened that is not counted; None when all are."""

        async def oldest(connection: AsyncConnection) -> int | None:
            position = await counted_through(connection)
            first = _after(position).with_only_columns(events.c.occurred_us).limit(1)
            found: int | None = await connection.scalar(first)
            return found

        found = await self._database.read(oldest)
        return None if found is None else Instant(found)

    async def add(self, folded: Folded, *, since: Position) -> bool:
        """Add counts of the events after *since*, and move the position in the same transaction.

        Return False, having done nothing, when another replica has counted them meanwhile.
        """
        return await self._database.write(lambda connection: _add(connection, folded, since))

    async def reset(self) -> None:
        """Forget all counts: the log is to be counted anew."""

        async def forget(connection: AsyncConnection) -> None:
            await connection.execute(update(rollup_progress).values(txid=_BEGIN.txid, seq=_BEGIN.seq))
            for table in (*_PERIODICAL, rollup_alerts, rollup_slices):
                # SQLite truncates when nothing restricts the deletion.
                is_postgresql = self._dialect.name == "postgresql"
                await connection.execute(text(f"TRUNCATE {table.name}") if is_postgresql else delete(table))

        await self._database.write(forget)

    async def delete_before(self, day: int, *, limit: int) -> int:
        """Delete at most *limit* rows that are about days before *day*, and return how many; 0 when none is left.

        Days are counted from 1970. What is needed to go on counting alerts that fire stays.
        """

        async def drop(connection: AsyncConnection) -> int:
            deleted = 0
            for table in _PERIODICAL:
                before = day * 24 if table is rollup_hours else day
                deleted += await _delete_some(connection, table, table.c.period < before, limit - deleted)
            closed = (rollup_alerts.c.changed_day < day) & rollup_alerts.c.fp_hash.not_in(_FIRING)
            deleted += await _delete_some(connection, rollup_alerts, closed, limit - deleted)
            unused = (rollup_slices.c.last_day < day) & ~_is_in_use()
            return deleted + await _delete_some(connection, rollup_slices, unused, limit - deleted)

        return await self._database.write(drop)


async def counted_through(connection: AsyncConnection) -> Position:
    """Return where the last counted event stands."""
    row = (await connection.execute(select(rollup_progress.c.txid, rollup_progress.c.seq))).one()
    return Position(row.txid, row.seq)


async def uncounted(
    connection: AsyncConnection, dialect: Dialect, position: Position, *, limit: int, is_final: bool
) -> Uncounted:
    """Return at most *limit* events after *position*, with what counting has to know of their alerts.

    Those that *is_final* leaves out are committed too, but others may still come before them.
    """
    query = _after(position).limit(limit)
    if is_final:
        query = query.where(dialect.is_final())
    found = [
        CountedEvent(Position(txid, seq), key, EventKind(kind), occurred, starts, ends)
        for txid, seq, key, kind, occurred, starts, ends in await connection.execute(query)
    ]
    keys = {event.fp_hash for event in found if event.kind.is_published}
    return Uncounted(events=found, alerts=await _alerts_as_counted(connection, keys), is_last=len(found) < limit)


def _after(position: Position) -> Any:
    each = events.c
    return (
        select(each.txid, each.seq, each.fp_hash, each.kind, each.occurred_us, each.starts_us, each.ends_us)
        .where(tuple_(each.txid, each.seq) > tuple_(*position))
        .order_by(each.txid, each.seq)
    )


async def _alerts_as_counted(connection: AsyncConnection, keys: set[bytes]) -> dict[bytes, CountedAlert]:
    rows = await bulk.find(connection, rollup_alerts, [(alert_key(key),) for key in sorted(keys)])
    known = {each.fp_hash: each for each in map(rollup_rows.alert, rows)}
    known |= await _new_alerts(connection, sorted(keys - known.keys()))
    return known | {key: _forgotten(key) for key in keys - known.keys()}


async def _new_alerts(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[bytes, CountedAlert]:
    found: dict[bytes, CountedAlert] = {}
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        selected = await connection.execute(
            select(
                alerts.c.fp_hash, alerts.c.fingerprint, alerts.c.alert_name, alerts.c.namespace, alerts.c.severity_label
            ).where(alerts.c.fp_hash.in_(keys[first : first + _KEYS_AT_ONCE]))
        )
        for key, fingerprint, *texts in selected:
            found[key] = CountedAlert(
                key=alert_key(key),
                fp_hash=key,
                fingerprint=Fingerprint(fingerprint),
                group=group_of(*texts),
                texts=(texts[0], texts[1], texts[2]),
            )
    return found


def _forgotten(key: bytes) -> CountedAlert:
    """Return an alert of which only events are left, so that they are counted all the same."""
    return CountedAlert(
        key=alert_key(key), fp_hash=key, fingerprint=key.hex(), group=group_of("", "", ""), texts=("", "", "")
    )


async def _add(connection: AsyncConnection, folded: Folded, since: Position) -> bool:
    if folded.position is None:
        return True
    progress = rollup_progress.c
    # Of two replicas that counted the same events, the second one waits here, and then finds another position.
    moved = await connection.execute(
        update(rollup_progress)
        .where(progress.txid == since.txid, progress.seq == since.seq)
        .values(txid=folded.position.txid, seq=folded.position.seq)
    )
    if not moved.rowcount:
        return False
    await _put_slices(connection, folded)
    for grain, table in COUNTS.items():
        cells = {(key, period): counts for (each, key, period), counts in folded.cells.items() if each is grain}
        await _add_counts(connection, table, cells)
    await _add_alert_days(connection, folded.alert_days)
    await _PUT_ALERTS.run(connection, _sorted("alert_key", map(rollup_rows.alert_values, folded.alerts.values())))
    return True


async def _put_slices(connection: AsyncConnection, folded: Folded) -> None:
    days: dict[int, int] = {}
    for grain, key, period in folded.cells:
        if grain is DAY:
            days[key] = max(period, days.get(key, period))
    contents = {
        key: content for alert in folded.alerts.values() for key, content in rollup_rows.contents(alert).items()
    }
    rows = [rollup_rows.slice_values(folded.slices[key], contents.get(key), day) for key, day in days.items()]
    await _PUT_SLICES.run(connection, _sorted("slice_key", rows))


async def _add_counts(connection: AsyncConnection, table: Table, cells: dict[tuple[int, int], Counts]) -> None:
    for row in await bulk.find(connection, table, list(cells)):
        key = row.slice_key, row.period
        # The transaction may be run again: what was folded stays as it is.
        cells[key] = Counts.total((rollup_rows.counts(row), cells[key]))
    rows = [rollup_rows.counts_values(*key, counts) for key, counts in cells.items()]
    await _PUT_COUNTS[table].run(connection, _sorted("slice_key", rows))


async def _add_alert_days(connection: AsyncConnection, days: Mapping[tuple[int, int], AlertDay]) -> None:
    whole = dict(days)
    for row in await bulk.find(connection, rollup_alert_days, list(days)):
        earlier = rollup_rows.alert_day(row)
        earlier.add(days[row.period, row.alert_key])
        whole[row.period, row.alert_key] = earlier
    rows = [rollup_rows.alert_day_values(*key, day) for key, day in whole.items()]
    await _PUT_ALERT_DAYS.run(connection, _sorted("alert_key", rows))


async def _delete_some(connection: AsyncConnection, table: Table, condition: Any, limit: int) -> int:
    if limit <= 0:
        return 0
    keys = list(table.primary_key)
    some = select(*keys).where(condition).limit(limit)
    deleted = await connection.execute(delete(table).where(tuple_(*keys).in_(some)))
    return deleted.rowcount


def _is_in_use() -> Any:
    mine, alert = rollup_slices.c, rollup_alerts.c
    same = [
        or_(mine.dimensions.bitwise_and(int(dimension)) == 0, hashed == others)
        for dimension, hashed, others in (
            (Dimension.NAME, mine.name_hash, alert.name_hash),
            (Dimension.NAMESPACE, mine.namespace_hash, alert.namespace_hash),
            (Dimension.SEVERITY, mine.severity_hash, alert.severity_hash),
        )
    ]
    return exists().where(alert.fp_hash.in_(_FIRING), *same)


def _sorted(key: str, rows: Iterable[Values]) -> list[Values]:
    return sorted(rows, key=lambda row: row[key])
