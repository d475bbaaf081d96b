"""Occurrences of one namespace are found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_occurrences_namespace", "occurrences", [sa.text("substr(namespace, 1, 200)"), "starts_us"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_occurrences_namespace", "occurrences")
