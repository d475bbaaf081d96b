"""Deliveries: one per (event, target)."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("fp_hash", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("alert_name", sa.Text, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("ordered_at", sa.BigInteger, nullable=False),
        sa.Column("give_up_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("last_result", sa.Text, nullable=False),
        sa.Column("last_status", sa.Integer, nullable=False),
        sa.UniqueConstraint("event_id", "target", name="deliveries_event_target"),
        sqlite_autoincrement=True,
    )
    pending = sa.text("state = 'pending'")
    for name, columns in {
        "deliveries_due": ["target", "due_at"],
        "deliveries_line": ["target", "fp_hash", "id"],
        "deliveries_oldest": ["ordered_at"],
        "deliveries_give_up": ["give_up_at"],
    }.items():
        op.create_index(name, "deliveries", columns, postgresql_where=pending, sqlite_where=pending)
    for name, columns in {
        "deliveries_by_state": ["state", "id"],
        "deliveries_by_target": ["target", "id"],
        "deliveries_by_alert": ["fp_hash", "id"],
    }.items():
        op.create_index(name, "deliveries", columns)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("deliveries")
