"""Reading and writing many rows by their keys at once, past SQLAlchemy, which is slower than the databases at it.

PostgreSQL gets one array per column, in the driver's binary form; SQLite gets rows.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Table
from sqlalchemy.ext.asyncio import AsyncConnection

Key = tuple[Any, ...]
_TYPES = {BigInteger: "bigint", Integer: "integer", SmallInteger: "smallint", Boolean: "boolean", LargeBinary: "bytea"}
# SQLite takes 32766 parameters in a statement.
_PARAMETERS = 30_000


async def find(connection: AsyncConnection, table: Table, keys: Sequence[Key]) -> Sequence[Any]:
    """Return the rows of *table* that have one of *keys*, whose parts are in the order of its primary key."""
    if not keys:
        return ()
    names = [column.name for column in table.primary_key]
    wanted = f"SELECT {', '.join(f't.{column.name}' for column in table.c)} FROM"
    same = " AND ".join(f"t.{name} = wanted.{name}" for name in names)
    if connection.dialect.name == "postgresql":
        arrays = ", ".join(f"%b::{_type(table, name)}[]" for name in names)
        statement = f"{wanted} unnest({arrays}) AS wanted ({', '.join(names)}) JOIN {table.name} t ON {same}"
        return (await connection.exec_driver_sql(statement, _columns(keys))).all()
    found: list[Any] = []
    for some in _chunks(keys, len(names)):
        listed = ", ".join([f"({', '.join('?' * len(names))})"] * len(some))
        statement = (
            f"WITH wanted ({', '.join(names)}) AS (VALUES {listed}) {wanted} wanted CROSS JOIN {table.name} t ON {same}"
        )
        found += (await connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))).all()
    return found


async def put(
    connection: AsyncConnection, table: Table, rows: Sequence[Key], *, replaced: Sequence[str], only: str = "true"
) -> None:
    """Write *rows*, which have all columns of *table* in order; of those that are known, only *replaced* change.

    *only* is a condition in SQL on ``t``, the row that is known, and ``excluded``, the new one: else nothing changes.
    """
    if not rows:
        return
    names = [column.name for column in table.c]
    keys = ", ".join(column.name for column in table.primary_key)
    change = f"ON CONFLICT ({keys}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in replaced)}"
    into = f"INSERT INTO {table.name} AS t ({', '.join(names)})"
    if connection.dialect.name == "postgresql":
        arrays = ", ".join(f"%b::{_type(table, name)}[]" for name in names)
        statement = f"{into} SELECT * FROM unnest({arrays}) {change} WHERE {only}"  # noqa: S608  # Our names.
        await connection.exec_driver_sql(statement, _columns(rows))
        return
    statement = f"{into} VALUES ({', '.join('?' * len(names))}) {change} WHERE {only}"
    await connection.exec_driver_sql(statement, list(rows))


def _type(table: Table, name: str) -> str:
    return next((sql for kind, sql in _TYPES.items() if type(table.c[name].type) is kind), "text")


def _columns(rows: Sequence[Key]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))


def _chunks(keys: Sequence[Key], width: int) -> Iterator[Sequence[Key]]:
    size = _PARAMETERS // width
    return (keys[first : first + size] for first in range(0, len(keys), size))
