"""Claims are counted apart from attempts; and what was decided, and what the receiver calls what it made, is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns. Claims of older replicas change ``attempts`` only, which therefore fences too."""
    op.add_column("deliveries", sa.Column("fence", sa.Integer, nullable=False, server_default="0"))
    op.add_column("deliveries", sa.Column("decision", sa.Text, nullable=False, server_default=""))
    op.add_column("deliveries", sa.Column("receipt", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE deliveries SET fence = attempts WHERE state = 'pending'")


def downgrade() -> None:
    """Drop the columns."""
    for name in ("receipt", "decision", "fence"):
        op.drop_column("deliveries", name)
