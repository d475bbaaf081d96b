"""Whether the mode that was set has reached the place where replicas share it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; what was set before was for this store alone."""
    op.add_column("enrichment_mode", sa.Column("is_shared", sa.Boolean, nullable=False, server_default=sa.true()))


def downgrade() -> None:
    """Drop the column: a mode that Redis has yet to be told is told no more."""
    op.drop_column("enrichment_mode", "is_shared")
