"""Statements over many rows at once: arrays on PostgreSQL, the same statement again and again on SQLite.

Their number does not depend on the number of rows. This is the one place that goes past SQLAlchemy's expressions:
they cost more per row than the databases do.
"""
# ruff: noqa: S608  # What the texts are put together from are names of our own tables.

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    any_,
    bindparam,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import arrays
from alerthistory_common.columns import EscapedText, JsonText, escape

Values = Mapping[str, Any]
_Plain = Callable[[Any], Any]

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped.
_TYPES: tuple[tuple[type, str, arrays.ArrayOf], ...] = (
    (LargeBinary, "bytea", arrays.of_bytes),
    # Before Integer, of which they are kinds.
    (BigInteger, "bigint", arrays.of_bigints),
    (SmallInteger, "smallint", arrays.of_smallints),
    (Integer, "integer", arrays.of_integers),
    (Boolean, "boolean", arrays.of_booleans),
    (Float, "double precision", arrays.of_doubles),
)
_TEXTS = arrays.of_texts()
_ESCAPED_TEXTS = arrays.of_texts(lambda text: escape(text).encode())
_JSON_TEXTS = arrays.of_texts(bytes)


# SQLite takes 32766 parameters in a statement.
_PARAMETERS = 30_000


class Bulk:
    """One statement, for any number of rows that are given as mappings from column names."""

    def __init__(self, columns: Iterable[Column[Any]], *, postgresql: str, sqlite: str) -> None:
        self._columns = tuple((column.name, _array_of(column), _plain(column)) for column in columns)
        self._texts = {"postgresql": postgresql, "sqlite": sqlite}

    async def run(self, connection: AsyncConnection, values: Sequence[Values]) -> int:
        """Run the statement for *values*, in their order, and return how many rows it wrote."""
        if not values:
            return 0
        if connection.dialect.name == "postgresql":
            result = await connection.exec_driver_sql(self.text("postgresql"), self._arrays(values))
        else:
            result = await connection.exec_driver_sql(self.text("sqlite"), self._rows(values))
        return result.rowcount

    def text(self, dialect: str) -> str:
        """Return the statement in the words of *dialect*."""
        return self._texts[dialect]

    def _arrays(self, values: Sequence[Values]) -> tuple[arrays.EncodedArray, ...]:
        """Return the statement's parameters on PostgreSQL: one array per column."""
        return tuple(array_of([row[name] for row in values]) for name, array_of, _ in self._columns)

    def _rows(self, values: Sequence[Values]) -> list[tuple[Any, ...]]:
        """Return the statement's parameters on SQLite, row by row."""
        return [tuple(plain(row[name]) for name, _, plain in self._columns) for row in values]


def insert(table: Table, *, tail: str = "", without: Collection[str] = ()) -> Bulk:
    """Return an INSERT of rows of *table*, whole but for the columns *without*; *tail* may name ``excluded``."""
    columns = [column for column in table.c if column.name not in without]
    names = ", ".join(column.name for column in columns)
    read = ", ".join(map(_read, columns))
    return Bulk(
        columns,
        postgresql=f"INSERT INTO {table.name} ({names}) SELECT {read} FROM {_unnest(columns)} {tail}",
        sqlite=f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))}) {tail}",
    )


def update(table: Table, key: str, written: Iterable[str]) -> Bulk:
    """Return an UPDATE of the columns *written* in the rows of *table* whose *key* is given."""
    columns = [table.c[key], *(table.c[name] for name in written)]
    assigned = ", ".join(f"{column.name} = {_read(column)}" for column in columns[1:])
    numbered = ", ".join(f"{column.name} = ?{number}" for number, column in enumerate(columns[1:], 2))
    return Bulk(
        columns,
        postgresql=f"UPDATE {table.name} SET {assigned} FROM {_unnest(columns)} WHERE {table.name}.{key} = new.{key}",
        sqlite=f"UPDATE {table.name} SET {numbered} WHERE {key} = ?1",
    )


def among(connection: AsyncConnection, column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether *column* has one of *values*: on PostgreSQL one array, so that the statement is the same for any number.

    A list of parameters would be parsed and planned anew for each of its lengths.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(values), type_=ARRAY(column.type), unique=True))
    return column.in_(list(values))


async def find(connection: AsyncConnection, table: Table, keys: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
    """Return the rows of *table* that have one of *keys*, in the order of its primary key, as the driver gives them."""
    if not keys:
        return ()
    key = list(table.primary_key)
    names = ", ".join(column.name for column in key)
    wanted = f"SELECT {', '.join(f'{table.name}.{column.name}' for column in table.c)} FROM"
    same = " AND ".join(f"{table.name}.{column.name} = new.{column.name}" for column in key)
    if connection.dialect.name == "postgresql":
        statement = f"{wanted} {_unnest(key)} JOIN {table.name} ON {same}"
        encoded = tuple(_array_of(column)(values) for column, values in zip(key, zip(*keys, strict=True), strict=True))
        return (await connection.exec_driver_sql(statement, encoded)).all()
    found: list[Any] = []
    size = _PARAMETERS // len(key)
    for some in (keys[first : first + size] for first in range(0, len(keys), size)):
        listed = ", ".join([f"({', '.join('?' * len(key))})"] * len(some))
        statement = f"WITH new ({names}) AS (VALUES {listed}) {wanted} new CROSS JOIN {table.name} ON {same}"
        found += (await connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))).all()
    return found


def _read(column: Column[Any]) -> str:
    """Return how PostgreSQL reads a column of the arrays; an array of arrays comes as JSON texts."""
    if isinstance(column.type.dialect_impl(_POSTGRESQL), ARRAY):
        return f"translate(new.{column.name}, '[]', '{{}}')::bigint[]"
    return f"new.{column.name}"


def _unnest(columns: Iterable[Column[Any]]) -> str:
    columns = list(columns)
    # Binary: psycopg writes arrays as text ten times as slowly.
    arrays = ", ".join(f"%b::{_type_of(column)}[]" for column in columns)
    return f"unnest({arrays}) AS new ({', '.join(column.name for column in columns)})"


def _type_of(column: Column[Any]) -> str:
    return next((name for kind, name, _ in _TYPES if isinstance(column.type, kind)), "text")


def _array_of(column: Column[Any]) -> arrays.ArrayOf:
    if isinstance(column.type, EscapedText):
        return _ESCAPED_TEXTS
    if isinstance(column.type, JsonText):
        return _JSON_TEXTS
    return next((array for kind, _, array in _TYPES if isinstance(column.type, kind)), _TEXTS)


def _plain(column: Column[Any]) -> _Plain:
    if isinstance(column.type, EscapedText):
        return lambda text: None if text is None else escape(text)
    if isinstance(column.type, JsonText):
        return lambda body: None if body is None else body.decode()
    return lambda value: value
