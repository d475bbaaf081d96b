"""A repeated report touches no index of its alert, so that PostgreSQL updates in place; labels can be searched."""

# ruff: noqa: S608  # What the texts are put together from are our own.

import json
from hashlib import blake2b

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0005"
down_revision = "0004"

_AT_ONCE = 1000
_LIST_LABELS = (
    "INSERT OR IGNORE INTO alert_labels (label_hash, fp_hash)"
    " SELECT value, new.fp_hash FROM json_each(new.label_hashes);"
)
_SET_LABELS = {
    "postgresql": "UPDATE alerts SET label_hashes = CAST(translate(:hashes, '[]', '{}') AS bigint[])"
    " WHERE fp_hash = :key",
    "sqlite": "UPDATE alerts SET label_hashes = :hashes WHERE fp_hash = :key",
}


def upgrade() -> None:
    """Order alerts by their last change instead of their last report; find them by label."""
    op.add_column("alerts", sa.Column("changed_us", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("alerts", sa.Column("seen_hour", sa.BigInteger, nullable=False, server_default="0"))
    _make_labels()
    op.execute(
        "UPDATE alerts SET seen_hour = coalesce(last_seen_us, 0) / 3600000000, changed_us = coalesce("
        "(SELECT max(e.occurred_us) FROM events e WHERE e.fp_hash = alerts.fp_hash), first_seen_us, 0)"
    )
    _hash_labels()
    op.drop_index("ix_alerts_seen", "alerts")
    op.drop_index("ix_alerts_firing", "alerts")
    op.create_index("ix_alerts_changed", "alerts", ["changed_us", "fp_hash"])
    op.create_index("ix_alerts_seen", "alerts", ["seen_hour"])
    _index_firing(["changed_us", "fp_hash"])
    if _is_postgresql():
        op.create_index("ix_alerts_labels", "alerts", ["label_hashes"], postgresql_using="gin")


def downgrade() -> None:
    """Order alerts by their last report again."""
    for name in ("ix_alerts_changed", "ix_alerts_seen", "ix_alerts_firing"):
        op.drop_index(name, "alerts")
    if _is_postgresql():
        op.drop_index("ix_alerts_labels", "alerts")
    else:
        for change in ("made", "changed", "deleted"):
            op.execute(f"DROP TRIGGER alert_labels_{change}")
        op.drop_table("alert_labels")
    op.drop_column("alerts", "label_hashes")
    op.drop_column("alerts", "changed_us")
    op.drop_column("alerts", "seen_hour")
    op.create_index("ix_alerts_seen", "alerts", ["last_seen_us", "fp_hash"])
    _index_firing(["last_seen_us", "fp_hash"])


def _make_labels() -> None:
    if _is_postgresql():
        op.add_column("alerts", sa.Column("label_hashes", ARRAY(sa.BigInteger), nullable=False, server_default="{}"))
        return
    op.add_column("alerts", sa.Column("label_hashes", sa.Text, nullable=False, server_default="[]"))
    op.create_table(
        "alert_labels",
        sa.Column("label_hash", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fp_hash", sa.LargeBinary, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_alert_labels_alert", "alert_labels", ["fp_hash"])
    op.execute(f"CREATE TRIGGER alert_labels_made AFTER INSERT ON alerts BEGIN {_LIST_LABELS} END")
    op.execute(
        "CREATE TRIGGER alert_labels_changed AFTER UPDATE OF label_hashes ON alerts BEGIN"
        f" DELETE FROM alert_labels WHERE fp_hash = old.fp_hash; {_LIST_LABELS} END"
    )
    op.execute(
        "CREATE TRIGGER alert_labels_deleted AFTER DELETE ON alerts BEGIN"
        " DELETE FROM alert_labels WHERE fp_hash = old.fp_hash; END"
    )


def _hash_labels() -> None:
    """Hash the labels of all alerts, a thousand at a time."""
    alerts = sa.table("alerts", sa.column("fp_hash", sa.LargeBinary), sa.column("labels_json", sa.Text))
    last = b""
    while True:
        page = sa.select(alerts).where(alerts.c.fp_hash > last).order_by(alerts.c.fp_hash).limit(_AT_ONCE)
        rows = op.get_bind().execute(page).all()
        if not rows:
            return
        hashes = [{"key": bytes(key), "hashes": json.dumps(_hashes(labels))} for key, labels in rows]
        op.get_bind().execute(sa.text(_SET_LABELS[op.get_bind().dialect.name]), hashes)
        last = bytes(rows[-1].fp_hash)


def _hashes(labels_json: str) -> list[int]:
    """Return what the service had computed at this revision: it may hash differently some day."""
    try:
        content = json.loads(labels_json)
    except ValueError:
        return []
    labels = content if isinstance(content, dict) else {}
    return sorted(
        {
            int.from_bytes(
                blake2b(f"{name}\0{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
            )
            for name, value in labels.items()
            if isinstance(value, str)
        }
    )


def _index_firing(columns: list[str]) -> None:
    op.create_index(
        "ix_alerts_firing",
        "alerts",
        columns,
        postgresql_where=sa.text("is_firing"),
        sqlite_where=sa.text("is_firing = 1"),
    )


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
