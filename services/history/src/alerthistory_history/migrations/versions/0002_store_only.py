"""Whether what time brings to an alert goes through the pipeline."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; alerts that are known went through the pipeline."""
    op.add_column("alerts", sa.Column("is_store_only", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop the column: what time brings goes through the pipeline again, for alerts that asked for none too."""
    op.drop_column("alerts", "is_store_only")
