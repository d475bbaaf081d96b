"""The classifier's tables. Times are microseconds since 1970."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, true

from alerthistory_common.columns import EscapedText, JsonText

METADATA = MetaData()

# find and keep: by the primary key
classifications = Table(
    "classifications",
    METADATA,
    Column("fp_hash", LargeBinary, primary_key=True),
    Column("fingerprint", EscapedText, nullable=False),
    Column("alert_name", EscapedText, nullable=False),
    Column("severity", String, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("reasoning", EscapedText, nullable=False),
    Column("recommendations", EscapedText, nullable=False),
    Column("source", String, nullable=False),
    Column("rules", EscapedText, nullable=False),
    Column("processing_time", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("metadata_json", JsonText),
    # list: by this, newest first
    Index("ix_classifications_created", "created_at", "fp_hash"),
)

# One row at most: the mode that was set.
enrichment_mode = Table(
    "enrichment_mode",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mode", String, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    # False while Redis, which was away, has yet to be told.
    Column("is_shared", Boolean, nullable=False, server_default=true()),
)

# Who set which mode, by (changed_at, id).
mode_changes = Table(
    "mode_changes",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("previous", String),
    Column("mode", String, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("author", EscapedText, nullable=False),
)

# What people said. All are read at once; pages go by (created_at, fp_hash).
overrides = Table(
    "overrides",
    METADATA,
    Column("fp_hash", LargeBinary, primary_key=True),
    Column("fingerprint", EscapedText, nullable=False),
    Column("alert_name", EscapedText, nullable=False),
    Column("severity", String, nullable=False),
    Column("author", EscapedText, nullable=False),
    Column("reason", EscapedText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_overrides_created", "created_at", "fp_hash"),
)

# How many verdicts were given. Days are counted since 1970 (UTC).
verdict_counts = Table(
    "verdict_counts",
    METADATA,
    Column("day", Integer, primary_key=True),
    Column("source", EscapedText, primary_key=True),
    Column("severity", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# What models did. Costs are millionths of the currency of the prices.
model_counts = Table(
    "model_counts",
    METADATA,
    Column("day", Integer, primary_key=True),
    Column("model", EscapedText, primary_key=True),
    Column("questions", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("cache_hits", BigInteger, nullable=False),
    Column("fallbacks", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
)
