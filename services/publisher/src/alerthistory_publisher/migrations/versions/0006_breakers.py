"""Circuit breakers as they were seen last, so that every replica says the same of a target."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "breakers",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("open_until", sa.BigInteger),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("breakers")
