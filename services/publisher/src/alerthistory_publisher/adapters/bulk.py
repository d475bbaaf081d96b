"""Writing many deliveries at once: one statement for all of them, by the driver's own arrays where it has them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.arrays import unnested
from alerthistory_publisher.adapters.tables import deliveries
from alerthistory_publisher.domain.deliveries import DeliveryState
from alerthistory_publisher.domain.outcomes import Result

Rows = Sequence[Mapping[str, Any]]

_PENDING = DeliveryState.PENDING.value
_GENERATED = {"id", "delivered_at"}
_INSERTED = [column for column in deliveries.c if column.name not in _GENERATED]
_CHANGED = [deliveries.c[name] for name in ("state", "last_result", "last_status", "due_at", "delivered_at")]
_CLAIM = [deliveries.c.id, deliveries.c.attempts]


class Bulk(Protocol):
    """What either database does for many rows at once."""

    async def insert(self, connection: AsyncConnection, rows: Rows) -> None:
        """Add deliveries, in order; those that are known are left alone."""
        ...

    async def record(self, connection: AsyncConnection, results: Sequence[Result]) -> set[int]:
        """Write results where their claims still hold, and return the ids of those deliveries."""
        ...


class PostgresqlBulk:
    """Binary arrays, unnested: a fifth of the client's time that statements of bound rows take."""

    async def insert(self, connection: AsyncConnection, rows: Rows) -> None:
        """Add deliveries, in order; those that are known are left alone."""
        names = ", ".join(column.name for column in _INSERTED)
        given, arrays = unnested(_INSERTED, rows)
        await connection.exec_driver_sql(
            f"INSERT INTO deliveries ({names}) SELECT {names} FROM {given}"  # noqa: S608  # Our own names.
            " ON CONFLICT (event_id, target) DO NOTHING",
            arrays,
        )

    async def record(self, connection: AsyncConnection, results: Sequence[Result]) -> set[int]:
        """Write results where their claims still hold, and return the ids of those deliveries."""
        changes = ", ".join(f"{column.name} = given.{column.name}" for column in _CHANGED)
        given, arrays = unnested([*_CLAIM, *_CHANGED], list(map(_result, results)))
        found = await connection.exec_driver_sql(
            f"UPDATE deliveries SET {changes} FROM {given}"  # noqa: S608  # Our own names.
            " WHERE deliveries.id = given.id AND deliveries.attempts = given.attempts"
            f" AND deliveries.state = '{_PENDING}' RETURNING deliveries.id",
            arrays,
        )
        return set(found.scalars())


class SqliteBulk:
    """One statement for many rows, run for each: there is no round trip to save, and one writer."""

    async def insert(self, connection: AsyncConnection, rows: Rows) -> None:
        """Add deliveries, in order; those that are known are left alone."""
        statement = sqlite.insert(deliveries).on_conflict_do_nothing(index_elements=["event_id", "target"])
        await connection.execute(statement, rows)

    async def record(self, connection: AsyncConnection, results: Sequence[Result]) -> set[int]:
        """Write results where their claims still hold, and return the ids of those deliveries."""
        columns = deliveries.c
        selected = await connection.execute(
            select(columns.id, columns.attempts).where(columns.id.in_(map(_id, results)), columns.state == _PENDING)
        )
        claimed = {(row.id, row.attempts) for row in selected}
        rows = [_result(each) for each in results if (each.claim.delivery_id, each.claim.attempt) in claimed]
        if rows:
            # SQLAlchemy keeps the names of the columns for itself.
            changes: dict[str, Any] = {column.name: bindparam(f"new_{column.name}") for column in _CHANGED}
            statement = update(deliveries).where(columns.id == bindparam("new_id")).values(changes)
            await connection.execute(statement, [{f"new_{name}": row[name] for name in row} for row in rows])
        return {row["id"] for row in rows}


def bulk_of(dialect: str) -> Bulk:
    """Return the writer for a Database's ``dialect``."""
    return PostgresqlBulk() if dialect == "postgresql" else SqliteBulk()


def _result(result: Result) -> dict[str, Any]:
    claim, step = result
    return {
        "id": claim.delivery_id,
        "attempts": claim.attempt,
        "state": step.state.value,
        "last_result": step.result,
        "last_status": step.status,
        "due_at": None if step.due_at is None else step.due_at.micros,
        "delivered_at": None if step.delivered_at is None else step.delivered_at.micros,
    }


def _id(result: Result) -> int:
    return result.claim.delivery_id
