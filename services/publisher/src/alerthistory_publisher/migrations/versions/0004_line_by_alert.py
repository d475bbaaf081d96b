"""Whether an older delivery of the same alert waits is looked up by the alert: no other index serves that as well."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Create the index with the alert in front."""
    op.drop_index("deliveries_line", "deliveries")
    _create("fp_hash", "id", "target")


def downgrade() -> None:
    """Create the index with the target in front."""
    op.drop_index("deliveries_line", "deliveries")
    _create("target", "fp_hash", "id")


def _create(*columns: str) -> None:
    op.create_index("deliveries_line", "deliveries", columns, postgresql_where=_PENDING, sqlite_where=_PENDING)
