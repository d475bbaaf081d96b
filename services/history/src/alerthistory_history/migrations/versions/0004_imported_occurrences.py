"""Occurrences of the past: ids that come before all others, and when they were imported."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_FIRST = -(2**62)


def upgrade() -> None:
    """Add the ids and the column; what is known was reported here."""
    op.add_column("occurrences", sa.Column("imported_us", sa.BigInteger))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE SEQUENCE imported_ids MINVALUE {_FIRST} MAXVALUE -1 START {_FIRST}")
        return
    counters = sa.table("counters", sa.column("name", sa.Text), sa.column("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": "imported_ids", "value": _FIRST - 1}])
