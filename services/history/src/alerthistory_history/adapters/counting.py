"""How many rows tables have: exactly while they are small, as PostgreSQL's planner estimates when they are large."""

from sqlalchemy import Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

LARGE = 100_000
"""Rows from which on counting each takes longer than a figure for dashboards is worth."""

# A partitioned table has its rows in its partitions; -1 says that a table was never looked at.
_ESTIMATE = text(
    "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_class c WHERE c.relkind = 'r' AND"
    " (c.oid = to_regclass(:name) OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(:name)))"
)


async def row_count(connection: AsyncConnection, table: Table) -> int:
    """Return the number of rows of *table*; an estimate on PostgreSQL when there are LARGE or more."""
    if connection.dialect.name == "postgresql":
        estimate = int(await connection.scalar(_ESTIMATE, {"name": table.name}) or 0)
        if estimate >= LARGE:
            return estimate
    return int(await connection.scalar(select(func.count()).select_from(table)) or 0)
