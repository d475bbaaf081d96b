"""What else a judge said, and verdicts by their age."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column and the index; of what is known nothing else was said."""
    op.add_column("classifications", sa.Column("metadata_json", sa.Text))
    op.create_index("ix_classifications_created", "classifications", ["created_at", "fp_hash"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_classifications_created", "classifications")
    op.drop_column("classifications", "metadata_json")
