"""The index of events by time holds their order too, so that the first of a time are found without fetching the others.

Beside an older replica: it reads and writes as before.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the index anew, longer."""
    _index("occurred_us", "txid", "seq")


def downgrade() -> None:
    """Make it anew as it was."""
    _index("occurred_us")


def _index(*columns: str) -> None:
    op.drop_index("ix_events_occurred", "events")
    op.create_index("ix_events_occurred", "events", list(columns))
