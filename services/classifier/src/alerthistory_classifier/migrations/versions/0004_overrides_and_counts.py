"""What people said, who changed the mode, and what was counted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COUNTS = ("questions", "failures", "cache_hits", "fallbacks", "prompt_tokens", "completion_tokens", "cost")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "mode_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("previous", sa.String),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
    )
    op.create_table(
        "overrides",
        sa.Column("fp_hash", sa.LargeBinary, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("alert_name", sa.Text, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_overrides_created", "overrides", ["created_at", "fp_hash"])
    op.create_table(
        "verdict_counts",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("severity", sa.String, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "model_counts",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
    )


def downgrade() -> None:
    """Drop the tables: overrides, the audit and the counts are lost."""
    for table in ("model_counts", "verdict_counts", "overrides", "mode_changes"):
        op.drop_table(table)
