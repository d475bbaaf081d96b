"""Payloads that could not be stored: the same bytes are the same row, and the oldest make room."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, case, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Instant
from alerthistory_common.database import Database
from alerthistory_history.domain.records import QuarantinedPayload, QuarantineError

from . import rows
from .dialects import Dialect
from .tables import quarantine

_MAX_ERRORS = 100
_LISTED = tuple(column for column in quarantine.c if column.name not in {"body", "body_hash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much quarantine holds."""

    max_rows: int
    max_bytes: int


async def put(
    connection: AsyncConnection, dialect: Dialect, payloads: Sequence[QuarantinedPayload], limits: Limits
) -> int:
    """Keep *payloads*, and return how many of the oldest were dropped for them."""
    if not payloads:
        return 0
    insert = dialect.insert(quarantine)
    new, known = insert.excluded, quarantine.c
    # Redelivered payloads may arrive in any order; the newest tells who sent it and what was wrong.
    latest = {
        name: case((new.received_us >= known.received_us, new[name]), else_=known[name])
        for name in ("format", "sender", "errors_json", "error_count", "received_us")
    }
    await connection.execute(
        insert.on_conflict_do_update(
            index_elements=[known.body_hash],
            set_={**latest, "times_received": known.times_received + new.times_received},
        ),
        sorted(map(_values, payloads), key=lambda each: each["body_hash"]),
    )
    return await _make_room(connection, limits)


class SqlQuarantineStore:
    """Reads and deletes quarantined payloads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, *, after: tuple[int, int] | None, limit: int) -> Sequence[QuarantinedPayload]:
        """Return a page of payloads without their bodies, newest first; *after* is (received, id) of the last seen."""
        query = select(*_LISTED).order_by(quarantine.c.received_us.desc(), quarantine.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(tuple_(quarantine.c.received_us, quarantine.c.id) < tuple_(*after))
        selected = await self._database.read(lambda connection: connection.execute(query))
        return [_payload(row, b"") for row in selected]

    async def payload(self, quarantine_id: int) -> QuarantinedPayload | None:
        """Return one payload with its body."""
        query = select(quarantine).where(quarantine.c.id == quarantine_id)
        row = (await self._database.read(lambda connection: connection.execute(query))).first()
        return None if row is None else _payload(row, row.body)

    async def delete(self, quarantine_ids: Sequence[int]) -> int:
        """Delete payloads and return how many there were."""
        deletion = delete(quarantine).where(quarantine.c.id.in_(quarantine_ids))
        return (await self._database.write(lambda connection: connection.execute(deletion))).rowcount


async def _make_room(connection: AsyncConnection, limits: Limits) -> int:
    newest_first = (quarantine.c.received_us.desc(), quarantine.c.id.desc())
    ranked = select(
        quarantine.c.id,
        func.row_number().over(order_by=newest_first).label("position"),
        func.sum(func.length(quarantine.c.body)).over(order_by=newest_first).label("size"),
    ).subquery()
    too_many = select(ranked.c.id).where(or_(ranked.c.position > limits.max_rows, ranked.c.size > limits.max_bytes))
    return (await connection.execute(delete(quarantine).where(quarantine.c.id.in_(too_many)))).rowcount


def _values(payload: QuarantinedPayload) -> rows.Values:
    return {
        "body_hash": _identity(payload),
        "body": payload.body,
        "body_size": payload.body_size,
        "format": payload.format,
        "sender": payload.sender,
        "errors_json": _errors(payload),
        "error_count": payload.error_count,
        "received_us": payload.received_at.micros,
        "times_received": 1,
    }


def _identity(payload: QuarantinedPayload) -> bytes:
    """Return what makes two payloads the same row: their bytes or, when those were not kept, all else about them."""
    told = f"{payload.format}\0{payload.sender}\0{payload.body_size}\0{_errors(payload)}"
    return sha256(payload.body or told.encode()).digest()


def _errors(payload: QuarantinedPayload) -> str:
    return json.dumps([[error.index, error.message] for error in payload.errors[:_MAX_ERRORS]])


def _payload(row: Row[Any], body: bytes) -> QuarantinedPayload:
    return QuarantinedPayload(
        quarantine_id=row.id,
        body=body,
        format=row.format,
        sender=row.sender,
        received_at=Instant(row.received_us),
        errors=tuple(QuarantineError(index=index, message=message) for index, message in json.loads(row.errors_json)),
        error_count=row.error_count,
        body_size=row.body_size,
        times_received=row.times_received,
    )
