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
        # Only after a downgrade are there imported rows already.
        op.execute("SELECT setval('imported_ids', max(id)) FROM occurrences WHERE id < 0 HAVING max(id) IS NOT NULL")
        return
    counters = sa.table("counters", sa.column("name", sa.Text), sa.column("value", sa.BigInteger))
    known = op.get_bind().scalar(sa.text("SELECT max(id) FROM occurrences WHERE id < 0"))
    op.bulk_insert(counters, [{"name": "imported_ids", "value": _FIRST - 1 if known is None else known}])


def downgrade() -> None:
    """Drop them. Imported occurrences stay, with their ids below zero; when they were imported is lost."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP SEQUENCE imported_ids")
    else:
        op.execute("DELETE FROM counters WHERE name = 'imported_ids'")
    op.drop_column("occurrences", "imported_us")
