"""Counts of deliveries by target and state, read from an index alone."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the index."""
    op.create_index("deliveries_figures", "deliveries", ["target", "state", "delivered_at"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("deliveries_figures", "deliveries")
