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
