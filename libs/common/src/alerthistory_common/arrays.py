"""Many rows in one statement of PostgreSQL: the driver's binary arrays, unnested.

Binding each row costs the client ten times as much, and the server a statement a row.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, TypeDecorator
from sqlalchemy.dialects import postgresql

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # Untyped upstream.


def unnested(columns: Sequence[Column[Any]], rows: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[list[Any], ...]]:
    """Return the SQL of a relation ``given`` with *columns*, and the arrays to run it with; by ``exec_driver_sql``."""
    arrays = ", ".join(f"%b::{column.type.compile(dialect=_DIALECT)}[]" for column in columns)
    names = ", ".join(column.name for column in columns)
    return f"unnest({arrays}) AS given ({names})", tuple(_values(column, rows) for column in columns)


def _values(column: Column[Any], rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    values = [row[column.name] for row in rows]
    if not isinstance(column.type, TypeDecorator):
        return values
    bound = column.type.process_bind_param
    return [bound(value, _DIALECT) for value in values]
