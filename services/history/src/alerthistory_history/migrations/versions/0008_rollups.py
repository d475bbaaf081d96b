"""Counts of events, for reports that stay fast as history grows. They are counted in the background, from the log."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_IN_PLACE = {"fillfactor": 80}


def upgrade() -> None:
    """Create the tables, empty: nothing is counted yet."""
    progress = op.create_table(
        "rollup_progress",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("txid", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(progress, [{"id": 1, "txid": 0, "seq": 0}])
    _create_slices()
    for name in ("rollup_hours", "rollup_days"):
        _create_counts(name)
    _create_alerts()


def downgrade() -> None:
    """Drop the tables. Nothing is lost: upgrading again counts the log anew, as far as it still reaches."""
    for name in ("alert_days", "alerts", "days", "hours", "slices", "progress"):
        op.drop_table(f"rollup_{name}")


def _create_slices() -> None:
    op.create_table(
        "rollup_slices",
        sa.Column("slice_key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("dimensions", sa.SmallInteger, nullable=False),
        sa.Column("name_hash", sa.BigInteger, nullable=False),
        sa.Column("namespace_hash", sa.BigInteger, nullable=False),
        sa.Column("severity_hash", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text),
        sa.Column("last_day", sa.Integer, nullable=False),
        postgresql_with=_IN_PLACE,
    )
    for name in ("name", "namespace", "severity"):
        op.create_index(f"ix_rollup_slices_{name}", "rollup_slices", ["dimensions", f"{name}_hash"])
    op.create_index("ix_rollup_slices_last", "rollup_slices", ["last_day"])


def _create_counts(name: str) -> None:
    op.create_table(
        name,
        sa.Column("slice_key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("period", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("opened", sa.Integer, nullable=False),
        sa.Column("resolved", sa.Integer, nullable=False),
        sa.Column("expired", sa.Integer, nullable=False),
        sa.Column("firing_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("gap_ms", sa.BigInteger, nullable=False),
        sa.Column("bins", sa.LargeBinary, nullable=False),
        postgresql_with=_IN_PLACE,
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{name}_period", name, ["period"])


def _create_alerts() -> None:
    op.create_table(
        "rollup_alerts",
        sa.Column("alert_key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fp_hash", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("name_hash", sa.BigInteger, nullable=False),
        sa.Column("namespace_hash", sa.BigInteger, nullable=False),
        sa.Column("severity_hash", sa.BigInteger, nullable=False),
        sa.Column("opened_us", sa.BigInteger),
        sa.Column("changed_day", sa.Integer, nullable=False),
        postgresql_with=_IN_PLACE,
    )
    op.create_index("ix_rollup_alerts_changed", "rollup_alerts", ["changed_day"])
    op.create_table(
        "rollup_alert_days",
        sa.Column("period", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("alert_key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("opened", sa.Integer, nullable=False),
        sa.Column("resolved", sa.Integer, nullable=False),
        sa.Column("expired", sa.Integer, nullable=False),
        sa.Column("firing_ms", sa.BigInteger, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("quiet_us", sa.BigInteger, nullable=False),
        postgresql_with=_IN_PLACE,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rollup_alert_days_alert", "rollup_alert_days", ["alert_key", "period"])
