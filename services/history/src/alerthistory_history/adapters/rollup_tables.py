"""The tables of counts, which are folded from events and can be folded anew. Periods are counted from 1970.

Names and labels stand in them by hashes of 64 bits; the text is kept once, in the slice that is all about it.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
)

from alerthistory_common.columns import EscapedText

from .tables import METADATA

_IN_PLACE = {"fillfactor": 80}

rollup_progress = Table(
    "rollup_progress",
    METADATA,
    # One row: the last event that is counted. It moves in the transaction of the counts.
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("txid", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

rollup_slices = Table(
    "rollup_slices",
    METADATA,
    Column("slice_key", BigInteger, primary_key=True, autoincrement=False),
    Column("dimensions", SmallInteger, nullable=False),
    Column("name_hash", BigInteger, nullable=False),
    Column("namespace_hash", BigInteger, nullable=False),
    Column("severity_hash", BigInteger, nullable=False),
    # What a slice of one dimension is about.
    Column("content", EscapedText),
    # The last day on which something was counted.
    Column("last_day", Integer, nullable=False),
    postgresql_with=_IN_PLACE,
)
# The slices that a report adds up, by what it asks for.
Index("ix_rollup_slices_name", rollup_slices.c.dimensions, rollup_slices.c.name_hash)
Index("ix_rollup_slices_namespace", rollup_slices.c.dimensions, rollup_slices.c.namespace_hash)
Index("ix_rollup_slices_severity", rollup_slices.c.dimensions, rollup_slices.c.severity_hash)
# Retention.
Index("ix_rollup_slices_last", rollup_slices.c.last_day)


def _counts(name: str) -> Table:
    table = Table(
        name,
        METADATA,
        Column("slice_key", BigInteger, primary_key=True, autoincrement=False),
        Column("period", Integer, primary_key=True, autoincrement=False),
        Column("opened", Integer, nullable=False),
        Column("resolved", Integer, nullable=False),
        Column("expired", Integer, nullable=False),
        Column("firing_ms", BigInteger, nullable=False),
        Column("duration_ms", BigInteger, nullable=False),
        Column("gap_ms", BigInteger, nullable=False),
        # Histograms: the numbers of the bins, then their counts, of 32 bits each.
        Column("bins", LargeBinary, nullable=False),
        postgresql_with=_IN_PLACE,
        sqlite_with_rowid=False,
    )
    # Retention; reports go by the primary key.
    Index(f"ix_{name}_period", table.c.period)
    return table


rollup_hours = _counts("rollup_hours")
rollup_days = _counts("rollup_days")

rollup_alerts = Table(
    "rollup_alerts",
    METADATA,
    Column("alert_key", BigInteger, primary_key=True, autoincrement=False),
    Column("fp_hash", LargeBinary, nullable=False),
    Column("fingerprint", EscapedText, nullable=False),
    Column("name_hash", BigInteger, nullable=False),
    Column("namespace_hash", BigInteger, nullable=False),
    Column("severity_hash", BigInteger, nullable=False),
    # When it fired last.
    Column("opened_us", BigInteger),
    Column("changed_day", Integer, nullable=False),
    postgresql_with=_IN_PLACE,
)
# Retention.
Index("ix_rollup_alerts_changed", rollup_alerts.c.changed_day)

rollup_alert_days = Table(
    "rollup_alert_days",
    METADATA,
    # Reports about all alerts read the days of their window.
    Column("period", Integer, primary_key=True, autoincrement=False),
    Column("alert_key", BigInteger, primary_key=True, autoincrement=False),
    Column("opened", Integer, nullable=False),
    Column("resolved", Integer, nullable=False),
    Column("expired", Integer, nullable=False),
    Column("firing_ms", BigInteger, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("quiet_us", BigInteger, nullable=False),
    postgresql_with=_IN_PLACE,
    sqlite_with_rowid=False,
)
# The days of single alerts.
Index("ix_rollup_alert_days_alert", rollup_alert_days.c.alert_key, rollup_alert_days.c.period)
