"""Occurrences, alerts, events, the work queue, quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_IN_PLACE = {"fillfactor": 80}
_TURNS_ONLY = sa.text("kind IN ('expired', 'fired', 'refired', 'resolved')")


def upgrade() -> None:
    """Create everything."""
    _create_occurrences()
    _create_alerts()
    _create_events()
    _create_work()
    _create_quarantine()
    _create_ids()


def downgrade() -> None:
    """Drop everything: all that was remembered is lost."""
    for table in ("quarantine", "work", "events", "alerts", "occurrences"):
        op.drop_table(table)
    if _is_postgresql():
        op.execute("DROP SEQUENCE occurrence_ids")
        op.execute("DROP SEQUENCE event_seqs")
    else:
        op.drop_table("counters")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _create_occurrences() -> None:
    op.create_table(
        "occurrences",
        sa.Column("fp_hash", sa.LargeBinary, primary_key=True),
        sa.Column("starts_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("starts_nanos", sa.SmallInteger, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("alert_name", sa.Text, nullable=False),
        sa.Column("is_firing", sa.Boolean, nullable=False),
        sa.Column("ends_us", sa.BigInteger),
        sa.Column("ends_nanos", sa.SmallInteger),
        sa.Column("labels_json", sa.Text, nullable=False),
        sa.Column("annotations_json", sa.Text, nullable=False),
        sa.Column("generator_url", sa.Text),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("severity_label", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("first_received_us", sa.BigInteger, nullable=False),
        sa.Column("last_received_us", sa.BigInteger, nullable=False),
        sa.Column("times_received", sa.BigInteger, nullable=False),
        postgresql_with=_IN_PLACE,
    )
    op.create_index("ix_occurrences_starts", "occurrences", ["starts_us"])
    op.create_index("ix_occurrences_name", "occurrences", [sa.text("substr(alert_name, 1, 200)"), "starts_us"])
    _index_firing("ix_occurrences_firing", "occurrences", ["starts_us"])


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("fp_hash", sa.LargeBinary, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("alert_name", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("severity_label", sa.Text, nullable=False),
        sa.Column("verdict_severity", sa.Text),
        sa.Column("labels_json", sa.Text, nullable=False),
        sa.Column("annotations_json", sa.Text, nullable=False),
        sa.Column("generator_url", sa.Text),
        sa.Column("is_firing", sa.Boolean, nullable=False),
        sa.Column("is_stale", sa.Boolean, nullable=False),
        sa.Column("start_us", sa.BigInteger),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("closed_through_us", sa.BigInteger),
        sa.Column("resolve_start_us", sa.BigInteger),
        sa.Column("resolve_ends_us", sa.BigInteger),
        sa.Column("holds_json", sa.Text, nullable=False),
        sa.Column("lease_expires_us", sa.BigInteger),
        sa.Column("settle_due_us", sa.BigInteger),
        sa.Column("first_seen_us", sa.BigInteger),
        sa.Column("last_seen_us", sa.BigInteger),
        sa.Column("times_seen", sa.BigInteger, nullable=False),
        sa.Column("times_fired", sa.BigInteger, nullable=False),
        sa.Column("last_event_txid", sa.BigInteger, nullable=False),
        postgresql_with=_IN_PLACE,
    )
    op.create_index("ix_alerts_seen", "alerts", ["last_seen_us", "fp_hash"])
    _index_firing("ix_alerts_firing", "alerts", ["last_seen_us", "fp_hash"])
    op.create_index("ix_alerts_name", "alerts", [sa.text("substr(alert_name, 1, 200)")])
    due = sa.text("settle_due_us IS NOT NULL")
    op.create_index("ix_alerts_due", "alerts", ["settle_due_us"], postgresql_where=due, sqlite_where=due)


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("txid", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("fp_hash", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("episode", sa.BigInteger, nullable=False),
        sa.Column("starts_us", sa.BigInteger, nullable=False),
        sa.Column("ends_us", sa.BigInteger),
        sa.Column("annotations_json", sa.Text, nullable=False),
        sa.Column("generator_url", sa.Text),
        sa.Column("occurred_us", sa.BigInteger, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
    )
    op.create_index("ix_events_order", "events", ["txid", "seq"])
    op.create_index("ix_events_alert", "events", ["fp_hash", "seq"])
    op.create_index(
        "ix_events_turns", "events", ["fp_hash", "seq"], postgresql_where=_TURNS_ONLY, sqlite_where=_TURNS_ONLY
    )


def _create_work() -> None:
    op.create_table(
        "work",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fp_hash", sa.LargeBinary, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("available_at_us", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_work_alert", "work", ["fp_hash", "seq"])


def _create_quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("body_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("body_size", sa.BigInteger, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("errors_json", sa.Text, nullable=False),
        sa.Column("error_count", sa.BigInteger, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("times_received", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_quarantine_received", "quarantine", ["received_us", "id"])


def _create_ids() -> None:
    if _is_postgresql():
        op.execute("CREATE SEQUENCE occurrence_ids")
        op.execute("CREATE SEQUENCE event_seqs")
        return
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counters, [{"name": "occurrence_ids", "value": 0}, {"name": "event_seqs", "value": 0}])


def _index_firing(name: str, table: str, columns: list[str]) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text("is_firing"), sqlite_where=sa.text("is_firing = 1"))
