"""Which alerts a filter selects, and how rows of other tables are then found.

Few alerts are listed, and their rows fetched by key. Of many, the next rows in order soon hold enough, so these are
walked through and all others passed over.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.bulk import among
from alerthistory_history.domain.records import AlertFilter

from . import conditions
from .dialects import Dialect
from .tables import alerts

FEW = 500
_FIRST_STEP = 500
_LONGEST_STEP = 5000

R = TypeVar("R", bound=Row[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Alerts by their keys: how SQL finds rows that are theirs, and which of the rows found are."""

    condition: ColumnElement[bool] | None = None
    keys: frozenset[bytes] | None = None

    def holds(self, key: bytes) -> bool:
        """Whether rows of the alert with *key* belong to the answer."""
        return self.keys is None or key in self.keys


async def select_alerts(connection: AsyncConnection, dialect: Dialect, wanted: AlertFilter, table: Table) -> Selected:
    """Return the alerts that *wanted* names, for a query of another *table* with their keys."""
    key = table.c.fp_hash
    met = conditions.of_alerts(wanted, dialect)
    if not wanted.selection.is_indexed:
        keys = frozenset(row.fp_hash for row in await sieved(connection, wanted, met, after=None, limit=None))
        return Selected(condition=among(connection, key, sorted(keys)) if len(keys) <= FEW else None, keys=keys)
    if not met:
        return Selected()
    found = await all_rows(connection, in_change_order(select(alerts.c.fp_hash).where(*met), None).limit(FEW + 1))
    if len(found) <= FEW:
        return Selected(condition=among(connection, key, sorted(row.fp_hash for row in found)))
    return Selected(condition=select(alerts.c.fp_hash).where(alerts.c.fp_hash == key, *met).correlate(table).exists())


async def sieved(
    connection: AsyncConnection,
    wanted: AlertFilter,
    met: Sequence[ColumnElement[bool]],
    *,
    after: tuple[int, bytes] | None,
    limit: int | None,
) -> list[Row[Any]]:
    """Return position and key of the first *limit* alerts, last changed first, that pass the sieve of *wanted*."""
    sieve = wanted.selection.sieve()
    columns = (
        alerts.c.changed_us,
        alerts.c.fp_hash,
        alerts.c.alert_name,
        alerts.c.labels_json,
        alerts.c.annotations_json,
    )

    async def fetch(last: Row[Any] | None, step: int) -> Sequence[Row[Any]]:
        place = after if last is None else (last.changed_us, last.fp_hash)
        return await all_rows(connection, in_change_order(select(*columns).where(*met), place).limit(step))

    return await walk(
        fetch, lambda row: sieve.passes(row.alert_name, row.labels_json, row.annotations_json), limit=limit
    )


async def all_rows(connection: AsyncConnection, query: Select[Any]) -> Sequence[Row[Any]]:
    """Return what *query* finds."""
    found: Sequence[Row[Any]] = (await connection.execute(query)).all()
    return found


def in_change_order(query: Select[Any], after: tuple[int, bytes] | None) -> Select[Any]:
    """Return *query* of alerts ordered last changed first, beginning after a position."""
    if after is not None:
        query = query.where(comes_before((alerts.c.changed_us, alerts.c.fp_hash), after))
    return query.order_by(alerts.c.changed_us.desc(), alerts.c.fp_hash.desc())


def comes_before(columns: tuple[ColumnElement[Any], ColumnElement[Any]], last: tuple[Any, Any]) -> ColumnElement[bool]:
    """Whether a row comes before *last* in the order of two columns, of which an index may hold the first alone."""
    first, second = columns
    return and_(first <= last[0], (first < last[0]) | (second < last[1]))


async def walk(
    fetch: Callable[[R | None, int], Awaitable[Sequence[R]]], keep: Callable[[R], bool], *, limit: int | None
) -> list[R]:
    """Return the first *limit* rows to keep; *fetch* gives so many rows after one."""
    found: list[R] = []
    last, step = None, _FIRST_STEP if limit is None else max(limit, _FIRST_STEP)
    while True:
        some = await fetch(last, step)
        found += filter(keep, some)
        if len(some) < step or (limit is not None and len(found) >= limit):
            return found[:limit]
        last, step = some[-1], min(2 * step, _LONGEST_STEP)
