"""Alerts of one name, namespace or severity, occurrences of one severity and events of a time are found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NAME = "substr(alert_name, 1, 200)"
_SEVERITY = "substr(coalesce(verdict_severity, severity_label), 1, 200)"


def upgrade() -> None:
    """Create the indexes."""
    op.drop_index("ix_alerts_name", "alerts")
    op.create_index("ix_alerts_name", "alerts", [sa.text(_NAME), "changed_us"])
    op.create_index("ix_alerts_namespace", "alerts", [sa.text("substr(namespace, 1, 200)"), "changed_us"])
    op.create_index("ix_alerts_severity", "alerts", [sa.text(_SEVERITY), "changed_us"])
    op.create_index("ix_occurrences_severity", "occurrences", [sa.text("substr(severity_label, 1, 200)"), "starts_us"])
    op.create_index("ix_events_occurred", "events", ["occurred_us"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_events_occurred", "events")
    op.drop_index("ix_occurrences_severity", "occurrences")
    for name in ("ix_alerts_severity", "ix_alerts_namespace", "ix_alerts_name"):
        op.drop_index(name, "alerts")
    op.create_index("ix_alerts_name", "alerts", [sa.text(_NAME)])
