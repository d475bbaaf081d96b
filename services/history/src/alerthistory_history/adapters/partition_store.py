"""The partitions of events on PostgreSQL: made ahead, a week each, and dropped when they are old.

Nothing fails without them: what no partition takes lies in the default one, and moves when its week is made. Every lock
is waited for only briefly, because whoever waits for a lock on events holds up those who come after.
"""

import re
from collections.abc import Sequence
from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Instant
from alerthistory_common.database import Database
from alerthistory_history.domain.retention import Partition, Week

DEFAULT = "events_default"
PAST = "events_past"
"""What was there before there were partitions; without weeks, so rows go one by one until it is old as a whole."""

_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '250ms'"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(6, 1)"
_BOUND = re.compile(r"FROM \((MINVALUE|'-?\d+')\) TO \((MAXVALUE|'-?\d+')\)")
_MIN, _MAX = -(2**63), 2**63 - 1

_LIST = text(
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = CAST('events' AS regclass) ORDER BY c.relname"
)


class SqlPartitionStore:
    """Makes and drops partitions; does nothing on SQLite, which has none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def has_partitions(self) -> bool:
        """Whether events lie in partitions here."""
        return self._database.dialect == "postgresql"

    async def prepare(self, now: Instant, *, weeks_ahead: int) -> Sequence[str]:
        """Make the partitions of this week and of the *weeks_ahead* that are missing; return their names."""
        if not self.has_partitions:
            return ()
        known = await self.partitions()
        missing = [week for week in Week.of(now.micros).and_following(weeks_ahead) if not _covers(known, week)]
        return [week.name for week in missing if await self._database.write(partial(_make, week))]

    async def partitions(self) -> Sequence[Partition]:
        """Return all but the default one."""
        if not self.has_partitions:
            return ()
        return await self._database.read(_partitions)

    async def drop(self, partition: Partition) -> int:
        """Drop a partition; return how many events went, 0 when another replica has dropped it.

        Events that must stay, because their alert fires since or their work is not done, move to the default one.
        """
        return await self._database.write(lambda connection: _drop(connection, partition))


def _covers(partitions: Sequence[Partition], week: Week) -> bool:
    return any(each.start < week.end and week.start < each.end for each in partitions)


async def _partitions(connection: AsyncConnection) -> Sequence[Partition]:
    found = []
    for name, bound in await connection.execute(_LIST):
        if match := _BOUND.search(bound):
            start, end = match.groups()
            found.append(Partition(name=name, start=_micros(start), end=_micros(end)))
    return found


def _micros(bound: str) -> int:
    return {"MINVALUE": _MIN, "MAXVALUE": _MAX}.get(bound) or int(bound.strip("'"))


async def be_alone(connection: AsyncConnection) -> None:
    """Keep other replicas from changing partitions meanwhile, and wait for no lock for long in this transaction."""
    await connection.exec_driver_sql(_LOCK_TIMEOUT)
    await connection.exec_driver_sql(_ONE_AT_A_TIME)


async def _make(week: Week, connection: AsyncConnection) -> bool:
    await be_alone(connection)
    if _covers(await _partitions(connection), week):
        return False
    # Attaching a table locks less than creating a partition does: writers of other partitions are not held up.
    await connection.exec_driver_sql(f"CREATE TABLE {week.name} (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    await connection.exec_driver_sql("LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE")
    in_default = f"{DEFAULT} WHERE occurred_us >= {week.start} AND occurred_us < {week.end}"
    if await _any(connection, in_default):
        await _keep_readers_out(connection)
    await connection.exec_driver_sql(f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE")
    if await _any(connection, in_default):
        # The lock is held already, or some came meanwhile: then it may not be got in time, and all this runs again.
        await _keep_readers_out(connection)
        await connection.exec_driver_sql(
            f"WITH moved AS (DELETE FROM {in_default} RETURNING *) INSERT INTO {week.name} SELECT * FROM moved"  # noqa: S608
        )
    await connection.exec_driver_sql(
        f"ALTER TABLE events ATTACH PARTITION {week.name} FOR VALUES FROM ({week.start}) TO ({week.end})"
    )
    return True


async def _any(connection: AsyncConnection, rows: str) -> bool:
    return bool(await connection.scalar(text(f"SELECT EXISTS (SELECT FROM {rows})")))  # noqa: S608  # Our own.


async def _keep_readers_out(connection: AsyncConnection) -> None:
    """Hold up even readers: one that knew the partitions of before would miss the rows that move."""
    await connection.exec_driver_sql("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")


async def _drop(connection: AsyncConnection, partition: Partition) -> int:
    await be_alone(connection)
    if partition not in await _partitions(connection):
        return 0
    name = partition.name
    # Counted before anything is locked: nobody writes into what is long past.
    count = await connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0  # noqa: S608
    await connection.exec_driver_sql(f"ALTER TABLE events DETACH PARTITION {name}")
    # Driven by the few that fire and the few that wait, not by the many events: writers wait meanwhile.
    kept = await connection.exec_driver_sql(
        f"INSERT INTO events SELECT p.* FROM work w JOIN {name} p"  # noqa: S608
        f" ON p.seq = w.seq AND p.occurred_us = w.created_us WHERE w.created_us < {partition.end}"
        f" UNION SELECT p.* FROM alerts a JOIN {name} p ON p.fp_hash = a.fp_hash AND p.episode >= a.times_fired"
        " WHERE a.is_firing"
    )
    await connection.exec_driver_sql(f"DROP TABLE {name}")
    return int(count) - kept.rowcount
