"""Events lie in partitions by time on PostgreSQL, so that old ones go at once; no index on their ids any more.

The rows that are there are not moved on PostgreSQL: their table becomes the partition of all time up to the end of this
week. A replica of the older version goes on writing meanwhile: its inserts wait for the lock, then find the new table
under the old name.
"""

from time import time

import sqlalchemy as sa
from alembic import op

from alerthistory_common.migrate import lock_table

revision = "0006"
down_revision = "0005"

_TURNS_ONLY = "kind IN ('expired', 'fired', 'refired', 'resolved')"
_INDEXES = {
    "ix_events_order": "(txid, seq)",
    "ix_events_alert": "(fp_hash, seq)",
    "ix_events_turns": f"(fp_hash, seq) WHERE {_TURNS_ONLY}",
}
_DAY_S = 86_400
_MONDAY = 3  # 1970 began on a Thursday.


def upgrade() -> None:
    """Partition the table."""
    if op.get_bind().dialect.name == "postgresql":
        _partition()
    else:
        _rebuild(sa.PrimaryKeyConstraint("seq", "occurred_us"), is_unique=False)


def downgrade() -> None:
    """Put all events back into one table; none is lost. On PostgreSQL they are copied, and writers wait so long."""
    if op.get_bind().dialect.name == "postgresql":
        _unpartition()
    else:
        _rebuild(sa.PrimaryKeyConstraint("seq"), is_unique=True)


def _partition() -> None:
    lock_table(op.get_bind(), "events")
    op.execute("ALTER TABLE events DROP CONSTRAINT events_event_id_key")
    op.execute("ALTER TABLE events DROP CONSTRAINT events_pkey")
    op.execute("ALTER TABLE events RENAME TO events_past")
    for name in _INDEXES:
        op.execute(f"ALTER INDEX {name} RENAME TO {name.replace('ix_events', 'events_past')}")
    op.execute("CREATE TABLE events (LIKE events_past INCLUDING DEFAULTS) PARTITION BY RANGE (occurred_us)")
    op.execute("ALTER TABLE events ADD PRIMARY KEY (seq, occurred_us)")
    _create_indexes("events")
    op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
    if op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM events_past)")):
        _attach_past()
    else:
        op.drop_table("events_past")


def _attach_past() -> None:
    today = int(time()) // _DAY_S
    end = (today - (today + _MONDAY) % 7 + 7) * _DAY_S * 1_000_000
    # A clock that went ahead left these.
    op.execute(
        f"WITH later AS (DELETE FROM events_past WHERE occurred_us >= {end} RETURNING *)"  # noqa: S608  # Our number.
        " INSERT INTO events_default SELECT * FROM later"
    )
    op.execute("ALTER TABLE events_past ADD PRIMARY KEY (seq, occurred_us)")
    op.execute(f"ALTER TABLE events ATTACH PARTITION events_past FOR VALUES FROM (MINVALUE) TO ({end})")


def _unpartition() -> None:
    lock_table(op.get_bind(), "events")
    op.execute("CREATE TABLE events_whole (LIKE events INCLUDING DEFAULTS)")
    op.execute("INSERT INTO events_whole SELECT * FROM events")
    op.drop_table("events")
    op.execute("ALTER TABLE events_whole RENAME TO events")
    op.execute("ALTER TABLE events ADD PRIMARY KEY (seq)")
    op.execute("ALTER TABLE events ADD CONSTRAINT events_event_id_key UNIQUE (event_id)")
    _create_indexes("events")


def _rebuild(key: sa.PrimaryKeyConstraint, *, is_unique: bool) -> None:
    """Copy the table: SQLite changes no keys in place."""
    unique = [sa.UniqueConstraint("event_id")] if is_unique else []
    op.create_table(
        "events_new",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("txid", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
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
        key,
        *unique,
    )
    op.execute("INSERT INTO events_new SELECT * FROM events ORDER BY seq")
    op.drop_table("events")
    op.rename_table("events_new", "events")
    _create_indexes("events")


def _create_indexes(table: str) -> None:
    for name, definition in _INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {table} {definition}")
