"""Where PostgreSQL and SQLite differ, in one place."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Table,
    and_,
    literal_column,
    select,
    text,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import arrays

from . import tables

_RECEIPTS = "SELECT o.fp_hash, o.starts_us, o.last_received_us, o.imported_us"
_SAME_PAIR = "occurrences o ON o.fp_hash = pairs.key AND o.starts_us = pairs.start"

# Hashes of labels are written, and never needed to decide anything.
_LOCKED = [column for column in tables.alerts.c if column.name != "label_hashes"]
_LOCK = text(
    f"SELECT {', '.join(column.name for column in _LOCKED)} FROM alerts"  # noqa: S608  # Our own columns.
    " WHERE fp_hash = ANY(CAST(:keys AS bytea[]))"
    " ORDER BY fp_hash FOR UPDATE"
).columns(*_LOCKED)
_NUMBERS = (
    "SELECT pg_current_xact_id()::text::bigint,"
    " ARRAY(SELECT nextval('event_seqs') FROM generate_series(1, %b)),"
    " ARRAY(SELECT nextval('occurrence_ids') FROM generate_series(1, %b))"
)

Insert = postgresql.Insert | sqlite.Insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The numbers of one transaction: its own id, 0 where there is none, and those of its rows, growing."""

    txid: int
    events: Sequence[int]
    occurrences: Sequence[int]


class Dialect(Protocol):
    """What every query can ask of either database."""

    name: str

    def insert(self, table: Table) -> Insert:
        """Return an INSERT that knows ON CONFLICT."""
        ...

    async def locked(self, connection: AsyncConnection, keys: Sequence[bytes]) -> Sequence[Row[*tuple[Any, ...]]]:
        """Return the rows of ``alerts`` with *keys*, which are sorted, locked until the transaction ends."""
        ...

    async def numbers(self, connection: AsyncConnection, *, events: int, occurrences: int) -> Numbers:
        """Return new numbers for so many events and occurrences of this transaction."""
        ...

    def has_labels(self, hashes: Sequence[int]) -> ColumnElement[bool]:
        """Whether a row of ``alerts`` has all the labels with *hashes*; see ``labels``."""
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

    def is_final(self) -> ColumnElement[bool]:
        """Whether no event that is still to be committed can come before this one in (txid, seq) order."""
        ...

    async def freeze(self, connection: AsyncConnection) -> None:
        """Let all that is read in this transaction, which has read nothing yet, be of one moment."""
        ...

    async def plan_for_values(self, connection: AsyncConnection) -> None:
        """Let each statement of this transaction be planned for the values it is given, not for any.

        A rare label, a common one, a day or a year are found best in different ways.
        """
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

    async def locked(self, connection: AsyncConnection, keys: Sequence[bytes]) -> Sequence[Row[*tuple[Any, ...]]]:
        """Lock them in the order of their keys."""
        return (await connection.execute(_LOCK, {"keys": arrays.of_bytes(keys)})).all()

    async def numbers(self, connection: AsyncConnection, *, events: int, occurrences: int) -> Numbers:
        """Return the transaction's id, and the next values of two sequences."""
        found: Sequence[Any] = (await connection.exec_driver_sql(_NUMBERS, (events, occurrences))).one()
        txid, seqs, ids = found
        return Numbers(txid=txid, events=sorted(seqs), occurrences=sorted(ids))

    def has_labels(self, hashes: Sequence[int]) -> ColumnElement[bool]:
        """Ask the GIN index."""
        return type_coerce(tables.alerts.c.label_hashes, postgresql.ARRAY(BigInteger)).contains(list(hashes))

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
            {
                "keys": arrays.of_bytes([key for key, _ in pairs]),
                "starts": arrays.of_bigints([start for _, start in pairs]),
            },
        )
        return [(bytes(key), start, received, imported) for key, start, received, imported in found]

    def is_final(self) -> ColumnElement[bool]:
        """Transactions below the snapshot's xmin have all ended."""
        return tables.events.c.txid < literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")

    async def freeze(self, connection: AsyncConnection) -> None:
        """Take one snapshot for all statements."""
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))

    async def plan_for_values(self, connection: AsyncConnection) -> None:
        """Keep prepared statements from sharing one plan."""
        await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))

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

    async def locked(self, connection: AsyncConnection, keys: Sequence[bytes]) -> Sequence[Row[*tuple[Any, ...]]]:
        """Read them: the one writer is us."""
        table = tables.alerts
        return (
            await connection.execute(select(table).where(table.c.fp_hash.in_(keys)).order_by(table.c.fp_hash))
        ).all()

    async def numbers(self, connection: AsyncConnection, *, events: int, occurrences: int) -> Numbers:
        """Take the next values of two counter rows; one writer needs no transaction ids."""
        return Numbers(
            txid=0,
            events=await _take(connection, "event_seqs", events),
            occurrences=await _take(connection, "occurrence_ids", occurrences),
        )

    def has_labels(self, hashes: Sequence[int]) -> ColumnElement[bool]:
        """Ask the table of labels, label by label."""
        labels = tables.alert_labels
        return and_(
            true(),
            *(
                tables.alerts.c.fp_hash.in_(select(labels.c.fp_hash).where(labels.c.label_hash == each))
                for each in hashes
            ),
        )

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

    def is_final(self) -> ColumnElement[bool]:
        """What can be read is final."""
        return true()

    async def freeze(self, connection: AsyncConnection) -> None:
        """Do nothing: a transaction sees one moment anyway."""

    async def plan_for_values(self, connection: AsyncConnection) -> None:
        """Do nothing: its plans never know the values."""

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
    if not count:
        return ()
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
