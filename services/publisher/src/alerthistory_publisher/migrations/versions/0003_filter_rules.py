"""Filter rules, and the seven that the older service began with."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Nobody tells a false positive apart yet: that rule matches nothing until a verdict says so.
_DEFAULTS = [
    ("allow_critical_alerts", "allow", {"severity": "critical"}, 1, True),
    ("high_confidence_only", "allow", {"min_confidence": 0.7}, 5, False),
    ("block_false_positives", "deny", {"is_false_positive": True}, 8, True),
    ("block_noise_alerts", "deny", {"severity": "noise"}, 10, True),
    ("block_low_confidence", "deny", {"max_confidence": 0.5}, 15, True),
    ("min_confidence_threshold", "deny", {"max_confidence": 0.3}, 20, True),
    ("block_test_namespaces", "deny", {"namespaces": ["test", "testing", "dev", "development"]}, 30, False),
]


def upgrade() -> None:
    """Create the table with the rules."""
    table = op.create_table(
        "filter_rules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("conditions", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.bulk_insert(
        table,
        [
            {
                "name": name,
                "action": action,
                "conditions": json.dumps(conditions, separators=(",", ":")),
                "priority": priority,
                "is_enabled": is_enabled,
                "target": "",
            }
            for name, action, conditions, priority, is_enabled in _DEFAULTS
        ],
    )


def downgrade() -> None:
    """Drop the table: the rules that were made are lost."""
    op.drop_table("filter_rules")
