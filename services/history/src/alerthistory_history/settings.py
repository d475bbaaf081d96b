"""The settings of the history service."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from alerthistory_common.addresses import MetricsAddress, RpcAddress
from alerthistory_common.database_urls import OwnDatabaseUrl
from alerthistory_common.settings import Settings


class HistorySettings(Settings):
    """What the history service reads."""

    section: ClassVar[str] = "history"
    model_config = SettingsConfigDict(env_prefix="ALERTHISTORY_HISTORY_")

    grpc_listen: RpcAddress = Field("127.0.0.1:7052", description="Address of the gRPC server.")
    metrics_listen: MetricsAddress = Field("127.0.0.1:7062", description="Address of `/metrics`; empty: off.")
    database_url: OwnDatabaseUrl = Field("", description="Database of this service alone; empty: the common one.")
    commit_max_reports: int = Field(
        400, ge=1, le=20_000, description="Reports that are coalesced into one commit; a larger call is one by itself."
    )
    commits_in_flight: int = Field(
        3, ge=1, le=16, description="Commits at a time on PostgreSQL; SQLite has one writer."
    )
    lease_s: float = Field(30.0, ge=1, le=3600, description="Seconds after which unfinished work is handed out again.")
    hold_window_s: float = Field(
        30.0, ge=0, le=3600, description="Seconds that a firing which may be a late copy waits for its sender."
    )
    lease_grace_s: float = Field(
        60.0, ge=0, le=86_400, description="Seconds after its end in which a Prometheus alert may still be renewed."
    )
    stale_after_s: float = Field(
        29_100.0, ge=1, le=31_536_000, description="Seconds of silence after which a firing alert is marked stale."
    )
    settle_interval_s: float = Field(
        1.0, gt=0, le=60, description="Seconds between looks for holds, leases and silences that are over."
    )
    rollup_interval_s: float = Field(
        2.0, gt=0, le=60, description="Seconds between looks for events that are to be counted for the reports."
    )
    rollup_block_events: int = Field(
        1000, ge=1, le=100_000, description="Events that one transaction counts at most; on SQLite at most 1000."
    )
    quarantine_max_rows: int = Field(10_000, ge=1, le=1_000_000, description="Payloads that quarantine holds.")
    quarantine_max_bytes: int = Field(
        268_435_456, ge=1, le=1_099_511_627_776, description="Bytes of payloads that quarantine holds."
    )
    query_timeout_s: float = Field(
        5.0, gt=0, le=600, description="Seconds that a page of alerts, occurrences or events may take."
    )
    test_split_commit: bool = Field(
        default=False,
        description="For tests only, breaks the promise: answers before events and work are committed.",
    )
