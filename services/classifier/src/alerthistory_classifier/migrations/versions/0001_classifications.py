"""Verdicts, one per alert, and the mode that was set."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "classifications",
        sa.Column("fp_hash", sa.LargeBinary, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("alert_name", sa.Text, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("reasoning", sa.Text, nullable=False),
        sa.Column("recommendations", sa.Text, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("processing_time", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "enrichment_mode",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("enrichment_mode")
    op.drop_table("classifications")
