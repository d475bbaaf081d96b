"""Where PostgreSQL and SQLite differ, in one place."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Protocol

from sqlalchemy import ColumnElement, Table, literal_column, text, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_history.domain.records import Position

from . import tables

_RECEIPTS = "SELECT o.fp_hash, o.starts_us, o.last_received_us, o.imported_us"
_SAME_PAIR = "occurrences o ON o.fp_hash = pairs.key AND o.starts_us = pairs.start"

Insert = postgresql.Insert | sqlite.Insert


class Dialect(Protocol):
    """What every query can ask of either database."""

    name: str

    def insert(self, table: Table) -> Insert:
        """Return an INSERT that knows ON CONFLICT."""
        ...

    async def occurrence_ids(self, connection: AsyncConnection, count: int) -> Sequence[int]:
        """Return *count* new ids for occurrences, growing."""
        ...

    async def imported_ids(self, connection: AsyncConnection, count: int) -> Sequence[int]:
        """Return *count* new ids for imported occurrences, growing, and smaller than any other id."""
        ...

    async def receipts(
        self, connection: AsyncConnection, pairs: Sequence[tuple[bytes, int]]
    ) -> Sequence[tuple[bytes, int, int, int | None]]:
        """Return key, start, last receipt and import of those of *pairs*, each a key and a start, that are stored.

        Two lists of keys and starts would look up every start of every key: the past has as many as reports.
        """
        ...

    async def event_positions(self, connection: AsyncConnection, count: int) -> Sequence[Position]:
        """Return *count* new positions for events of this transaction, growing."""
        ...

    def is_final(self) -> ColumnElement[bool]:
        """Whether no event that is still to be committed can come before this one in (txid, seq) order."""
        ...

    async def freeze(self, connection: AsyncConnection) -> None:
        """Let all that is read in this transaction, which has read nothing yet, be of one moment."""
        ...

    async def size(self, connection: AsyncConnection) -> int:
        """Return how many bytes our tables take."""
        ...


class Postgresql:
    """PostgreSQL 13 or newer."""

    name = "postgresql"

    def insert(self, table: Table) -> Insert:
        """Return PostgreSQL's INSERT."""
        return postgresql.insert(table)

    async def occurrence_ids(self, connection: AsyncConnection, count: int) -> Sequence[int]:
        """Return the next values of a sequence."""
        return await _next_values(connection, "occurrence_ids", count)

    async def imported_ids(self, connection: AsyncConnection, count: int) -> Sequence[int]:
        """Return the next values of a sequence of negative numbers."""
        return await _next_values(connection, "imported_ids", count)

    async def receipts(
        self, connection: AsyncConnection, pairs: Sequence[tuple[bytes, int]]
    ) -> Sequence[tuple[bytes, int, int, int | None]]:
        """Look the pairs up one by one, from arrays."""
        found = await connection.execute(
            text(
                f"{_RECEIPTS} FROM unnest(CAST(:keys AS bytea[]), CAST(:starts AS bigint[])) AS pairs (key, start)"
                f" JOIN {_SAME_PAIR}"
            ),
            {"keys": [key for key, _ in pairs], "starts": [start for _, start in pairs]},
        )
        return [(bytes(key), start, received, imported) for key, start, received, imported in found]

    async def event_positions(self, connection: AsyncConnection, count: int) -> Sequence[Position]:
        """Return the transaction's id with the next values of a sequence."""
        rows = await connection.execute(
            text("SELECT pg_current_xact_id()::text::bigint, nextval('event_seqs') FROM generate_series(1, :count)"),
            {"count": count},
        )
        return sorted(Position(txid, seq) for txid, seq in rows)

    def is_final(self) -> ColumnElement[bool]:
        """Transactions below the snapshot's xmin have all ended."""
        return tables.events.c.txid < literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")

    async def freeze(self, connection: AsyncConnection) -> None:
        """Take one snapshot for all statements."""
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))

    async def size(self, connection: AsyncConnection) -> int:
        """Return the size of the schema's tables with their indexes and long values."""
        found = await connection.scalar(
            text(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
                " WHERE c.relkind IN ('r', 'm', 'S') AND c.relnamespace = current_schema()::regnamespace"
            )
        )
        return int(found or 0)


class Sqlite:
    """SQLite, which has one writer at a time: commits never overlap."""

    name = "sqlite"

    def insert(self, table: Table) -> Insert:
        """Return SQLite's INSERT."""
        return sqlite.insert(table)

    async def occurrence_ids(self, connection: AsyncConnection, count: int) -> Sequence[int]:
        """Take the next values of a counter row."""
        return await _take(connection, "occurrence_ids", count)

    async def imported_ids(self, connection: AsyncConnection, count: int) -> Sequence[int]:
        """Take the next values of a counter row of negative numbers."""
        return await _take(connection, "imported_ids", count)

    async def receipts(
        self, connection: AsyncConnection, pairs: Sequence[tuple[bytes, int]]
    ) -> Sequence[tuple[bytes, int, int, int | None]]:
        """Look the pairs up one by one, past SQLAlchemy: it writes the list more slowly than SQLite reads it."""
        listed = ", ".join(["(?, ?)"] * len(pairs))
        found = await connection.exec_driver_sql(
            f"WITH pairs (key, start) AS (VALUES {listed}) {_RECEIPTS} FROM pairs CROSS JOIN {_SAME_PAIR}",
            tuple(chain.from_iterable(pairs)),
        )
        return [tuple(row) for row in found]

    async def event_positions(self, connection: AsyncConnection, count: int) -> Sequence[Position]:
        """Take the next values of a counter row; one writer needs no transaction ids."""
        return [Position(0, seq) for seq in await _take(connection, "event_seqs", count)]

    def is_final(self) -> ColumnElement[bool]:
        """What can be read is final."""
        return true()

    async def freeze(self, connection: AsyncConnection) -> None:
        """Do nothing: a transaction sees one moment anyway."""

    async def size(self, connection: AsyncConnection) -> int:
        """Return the size of the file."""
        found = [(await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in ("page_count", "page_size")]
        return math.prod(int(each or 0) for each in found)


async def _next_values(connection: AsyncConnection, sequence: str, count: int) -> Sequence[int]:
    rows = await connection.execute(
        text("SELECT nextval(CAST(:sequence AS regclass)) FROM generate_series(1, :count)"),
        {"sequence": sequence, "count": count},
    )
    return sorted(rows.scalars())


async def _take(connection: AsyncConnection, name: str, count: int) -> Sequence[int]:
    counter = tables.counters
    last = await connection.scalar(
        update(counter).where(counter.c.name == name).values(value=counter.c.value + count).returning(counter.c.value)
    )
    if last is None:
        raise LookupError(f"no counter {name!r}: the database was tampered with")
    return range(last - count + 1, last + 1)


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a Database's ``dialect``."""
    return Postgresql() if name == "postgresql" else Sqlite()
