"""The publisher's tables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from alerthistory_common.columns import EscapedText, JsonText

METADATA = MetaData()

# Times are microseconds since 1970. A lease is a ``due_at`` in the future; ``fence`` counts claims. What was superseded
# keeps the ``due_at`` until which it was held back.
deliveries = Table(
    "deliveries",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", EscapedText, nullable=False),
    Column("target", EscapedText, nullable=False),
    Column("fp_hash", LargeBinary, nullable=False),
    Column("fingerprint", EscapedText, nullable=False),
    Column("alert_name", EscapedText, nullable=False),
    Column("kind", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("ordered_at", BigInteger, nullable=False),
    Column("give_up_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("delivered_at", BigInteger),
    Column("last_result", EscapedText, nullable=False),
    Column("last_status", Integer, nullable=False),
    Column("decision", EscapedText, nullable=False, server_default=""),
    Column("receipt", EscapedText, nullable=False, server_default=""),
    UniqueConstraint("event_id", "target", name="deliveries_event_target"),
)
_pending = deliveries.c.state == "pending"
# claim: what is due for a target; and whether an older one of the same alert waits
Index("deliveries_due", deliveries.c.target, deliveries.c.due_at, postgresql_where=_pending, sqlite_where=_pending)
Index(
    "deliveries_line",
    deliveries.c.fp_hash,
    deliveries.c.id,
    deliveries.c.target,
    postgresql_where=_pending,
    sqlite_where=_pending,
)
# bury, and the oldest pending one of the figures
Index("deliveries_oldest", deliveries.c.ordered_at, postgresql_where=_pending, sqlite_where=_pending)
Index("deliveries_give_up", deliveries.c.give_up_at, postgresql_where=_pending, sqlite_where=_pending)
# list_page by each filter, and the counts by state
Index("deliveries_by_state", deliveries.c.state, deliveries.c.id)
Index("deliveries_by_target", deliveries.c.target, deliveries.c.id)
Index("deliveries_by_alert", deliveries.c.fp_hash, deliveries.c.id)
# figures_by_target, read from the index alone
Index("deliveries_figures", deliveries.c.target, deliveries.c.state, deliveries.c.delivered_at)

# A handful of rows, always read as a whole: no index but the key.
filter_rules = Table(
    "filter_rules",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("name", EscapedText, nullable=False),
    Column("action", String, nullable=False),
    Column("conditions", JsonText, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("target", EscapedText, nullable=False),
)

# One row per target that was ever used.
breakers = Table(
    "breakers",
    METADATA,
    Column("target", EscapedText, primary_key=True),
    Column("state", String, nullable=False),
    Column("open_until", BigInteger),
)
