"""The tables, and the index of every query. Times are microseconds since 1970.

An index marked HOT must not name a column that a repeated report changes, or PostgreSQL cannot update in place.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
    func,
    text,
)

from alerthistory_common.columns import EscapedText, JsonText

METADATA = MetaData()

# btree refuses long keys, so names are indexed by what they begin with.
NAME_PREFIX = 200

# SQLite numbers rows by itself only when the type is exactly INTEGER.
_Serial = BigInteger().with_variant(Integer, "sqlite")
_IN_PLACE = {"fillfactor": 80}

occurrences = Table(
    "occurrences",
    METADATA,
    Column("fp_hash", LargeBinary, primary_key=True),
    Column("starts_us", BigInteger, primary_key=True, autoincrement=False),
    Column("starts_nanos", SmallInteger, nullable=False),
    # Grows with every accepted report. In no index: each report changes it.
    Column("id", BigInteger, nullable=False),
    Column("fingerprint", EscapedText, nullable=False),
    Column("alert_name", EscapedText, nullable=False),
    Column("is_firing", Boolean, nullable=False),
    Column("ends_us", BigInteger),
    Column("ends_nanos", SmallInteger),
    Column("labels_json", JsonText, nullable=False),
    Column("annotations_json", JsonText, nullable=False),
    Column("generator_url", EscapedText),
    Column("namespace", EscapedText, nullable=False),
    Column("severity_label", EscapedText, nullable=False),
    Column("sender", EscapedText, nullable=False),
    Column("first_received_us", BigInteger, nullable=False),
    Column("last_received_us", BigInteger, nullable=False),
    Column("times_received", BigInteger, nullable=False),
    # When it was imported; none when it was last reported here.
    Column("imported_us", BigInteger),
    postgresql_with=_IN_PLACE,
)
# ListOccurrences and GetReport without a name. HOT.
Index("ix_occurrences_starts", occurrences.c.starts_us)
# ListOccurrences of one name. HOT.
Index("ix_occurrences_name", func.substr(occurrences.c.alert_name, 1, NAME_PREFIX), occurrences.c.starts_us)
# ListOccurrences of one namespace. HOT.
Index("ix_occurrences_namespace", func.substr(occurrences.c.namespace, 1, NAME_PREFIX), occurrences.c.starts_us)
# ListOccurrences of one severity label. HOT.
Index("ix_occurrences_severity", func.substr(occurrences.c.severity_label, 1, NAME_PREFIX), occurrences.c.starts_us)
# ListOccurrences of those that fire, which are few among many. HOT.
Index(
    "ix_occurrences_firing",
    occurrences.c.starts_us,
    postgresql_where=text("is_firing"),
    sqlite_where=text("is_firing = 1"),
)

alerts = Table(
    "alerts",
    METADATA,
    Column("fp_hash", LargeBinary, primary_key=True),
    Column("fingerprint", EscapedText, nullable=False),
    Column("alert_name", EscapedText, nullable=False),
    Column("namespace", EscapedText, nullable=False),
    Column("severity_label", EscapedText, nullable=False),
    Column("verdict_severity", Text),
    Column("labels_json", JsonText, nullable=False),
    Column("annotations_json", JsonText, nullable=False),
    Column("generator_url", EscapedText),
    Column("is_firing", Boolean, nullable=False),
    Column("is_stale", Boolean, nullable=False),
    Column("start_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("closed_through_us", BigInteger),
    # Of the last applied resolve; no start means that there was none.
    Column("resolve_start_us", BigInteger),
    Column("resolve_ends_us", BigInteger),
    Column("holds_json", Text, nullable=False),
    Column("lease_expires_us", BigInteger),
    # When time alone changes the state: a hold falls due, a lease is over, the alert goes stale. May be too early, as
    # repeated reports leave it alone: settling then finds nothing to do and puts it right.
    Column("settle_due_us", BigInteger),
    Column("first_seen_us", BigInteger),
    Column("last_seen_us", BigInteger),
    Column("times_seen", BigInteger, nullable=False),
    Column("times_fired", BigInteger, nullable=False),
    # The transaction of the alert's last event.
    Column("last_event_txid", BigInteger, nullable=False),
    # Whether the last report asked for no work: then what time brings makes none either.
    Column("is_store_only", Boolean, nullable=False, server_default=false()),
    # When the last event was; without one, when the alert was first seen.
    Column("changed_us", BigInteger, nullable=False, server_default="0"),
    # The hours since 1970 of last_seen_us, which is in no index: each report changes it.
    Column("seen_hour", BigInteger, nullable=False, server_default="0"),
    # A number for each label, see ``labels``: an array on PostgreSQL, JSON on SQLite.
    Column("label_hashes", Text().with_variant(ARRAY(BigInteger), "postgresql"), nullable=False),
    postgresql_with=_IN_PLACE,
)
# ListAlerts by label. HOT.
Index("ix_alerts_labels", alerts.c.label_hashes, postgresql_using="gin").ddl_if(dialect="postgresql")
# SQLite has no index over what is in a list: triggers keep this table in step with ``label_hashes``.
alert_labels = Table(
    "alert_labels",
    METADATA,
    Column("label_hash", BigInteger, primary_key=True, autoincrement=False),
    Column("fp_hash", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
Index("ix_alert_labels_alert", alert_labels.c.fp_hash)
# ListAlerts. HOT.
Index("ix_alerts_changed", alerts.c.changed_us, alerts.c.fp_hash)
# What GetStats counts. HOT but once an hour.
Index("ix_alerts_seen", alerts.c.seen_hour)
# ListAlerts of those that fire, and their number. HOT.
Index(
    "ix_alerts_firing",
    alerts.c.changed_us,
    alerts.c.fp_hash,
    postgresql_where=text("is_firing"),
    sqlite_where=text("is_firing = 1"),
)
# What alerts are filtered by: the verdict's severity when there is one, otherwise the sender's.
alert_severity = func.coalesce(alerts.c.verdict_severity, alerts.c.severity_label)
# ListAlerts of one name, namespace or severity. HOT.
Index("ix_alerts_name", func.substr(alerts.c.alert_name, 1, NAME_PREFIX), alerts.c.changed_us)
Index("ix_alerts_namespace", func.substr(alerts.c.namespace, 1, NAME_PREFIX), alerts.c.changed_us)
Index("ix_alerts_severity", func.substr(alert_severity, 1, NAME_PREFIX), alerts.c.changed_us)
# Settling.
Index(
    "ix_alerts_due",
    alerts.c.settle_due_us,
    postgresql_where=text("settle_due_us IS NOT NULL"),
    sqlite_where=text("settle_due_us IS NOT NULL"),
)

# Openings and closings of episodes; written out so that both planners recognise the index.
TURNS_ONLY = "kind IN ('expired', 'fired', 'refired', 'resolved')"

events = Table(
    "events",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    # seq is not the order of commits, so readers follow (txid, seq). 0 on SQLite, which has one writer.
    Column("txid", BigInteger, nullable=False),
    # In no index: nothing asks for it, and nothing makes it twice.
    Column("event_id", Text, nullable=False),
    Column("fp_hash", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    # Numbers the episodes of the alert from 1.
    Column("episode", BigInteger, nullable=False),
    Column("starts_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger),
    Column("annotations_json", JsonText, nullable=False),
    Column("generator_url", EscapedText),
    # In the key, because PostgreSQL's partitions are ranges of it: a week each (see partition_store.py).
    Column("occurred_us", BigInteger, primary_key=True, autoincrement=False),
    Column("received_us", BigInteger, nullable=False),
    Column("sender", EscapedText, nullable=False),
    Column("traceparent", EscapedText, nullable=False),
    postgresql_partition_by="RANGE (occurred_us)",
)
# TailEvents, and ListEvents of all alerts.
Index("ix_events_order", events.c.txid, events.c.seq)
# ListEvents of one alert, or of few.
Index("ix_events_alert", events.c.fp_hash, events.c.seq)
# ListEvents of a time; with their order, so that only those of the page are fetched.
Index("ix_events_occurred", events.c.occurred_us, events.c.txid, events.c.seq)
# What an alert's past says about an event.
Index(
    "ix_events_turns",
    events.c.fp_hash,
    events.c.seq,
    postgresql_where=text(TURNS_ONLY),
    sqlite_where=text(TURNS_ONLY),
)

work = Table(
    "work",
    METADATA,
    # Of the event, whose seq is the work's id too.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("fp_hash", LargeBinary, nullable=False),
    Column("attempt", Integer, nullable=False),
    # Set while leased.
    Column("lease_owner", EscapedText),
    # Not handed out before: the end of the lease, or of a rest.
    Column("available_at_us", BigInteger, nullable=False),
    # The event's occurred_us: to join by both finds the event in its partition alone.
    Column("created_us", BigInteger, nullable=False),
)
# The oldest work of an alert; the queue itself is read by its primary key.
Index("ix_work_alert", work.c.fp_hash, work.c.seq)

quarantine = Table(
    "quarantine",
    METADATA,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("body_hash", LargeBinary, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("body_size", BigInteger, nullable=False),
    Column("format", EscapedText, nullable=False),
    Column("sender", EscapedText, nullable=False),
    Column("errors_json", Text, nullable=False),
    Column("error_count", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("times_received", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
# ListQuarantine, and which row is the oldest.
Index("ix_quarantine_received", quarantine.c.received_us, quarantine.c.id)

counters = Table(
    "counters",
    METADATA,
    # SQLite's sequences: one row each.
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
