"""The settings of the ingest service."""

from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from alerthistory_common.addresses import MetricsAddress, RpcAddress
from alerthistory_common.settings import Settings


class IngestSettings(Settings):
    """What the ingest service reads."""

    section: ClassVar[str] = "ingest"
    model_config = SettingsConfigDict(env_prefix="ALERTHISTORY_INGEST_")

    grpc_listen: RpcAddress = Field("127.0.0.1:7051", description="Address of the gRPC server.")
    metrics_listen: MetricsAddress = Field("127.0.0.1:7061", description="Address of the metrics; empty: off.")
    history_target: str = Field("127.0.0.1:7052", description="gRPC name of the history service.")
    classifier_target: str = Field("127.0.0.1:7053", description="gRPC name of the classifier service.")
    publisher_target: str = Field("127.0.0.1:7054", description="gRPC name of the publisher service.")
    webhook: Literal["pipeline", "store"] = Field(
        "pipeline",
        description="`pipeline`: what webhooks change is judged and published; `store`: it is only stored.",
    )
    pipeline_slots: int = Field(512, ge=1, le=5000, description="How many events are judged and published at a time.")
    pipeline_busy_slots: int = Field(
        16,
        ge=1,
        le=5000,
        description="How many at a time while more webhooks come than are stored: acknowledging them comes first.",
    )
    pipeline_batch: int = Field(
        200, ge=1, le=1000, description="How many events are judged, published or completed in one call at most."
    )
    pipeline_batches: int = Field(
        2, ge=1, le=16, description="How many such calls to one service are on their way at a time."
    )
    poll_interval_s: float = Field(
        1.0, gt=0, le=60, description="Seconds between looks for events that nobody works on."
    )
    history_timeout_s: float = Field(8.0, gt=0, le=60, description="Seconds that a call to history may take.")
    classify_timeout_s: float = Field(
        5.0, gt=0, le=60, description="Seconds that a verdict may take; then the event is published without one."
    )
    publish_timeout_s: float = Field(
        10.0, gt=0, le=60, description="Seconds that ordering deliveries may take; then it is tried again later."
    )
    process_timeout_s: float = Field(
        8.0,
        gt=0,
        le=60,
        description="Seconds that a caller who wants to know what comes of its alerts is kept waiting.",
    )
    record_batches: int = Field(
        4, ge=1, le=64, description="How many batches of alerts are on their way to history at a time."
    )
    record_limit_s: float = Field(
        5.0,
        gt=0,
        le=60,
        description="Seconds after its receipt at which a webhook that history has not stored is spooled instead.",
    )
    spool_max_bytes: int = Field(
        1 << 30,
        ge=0,
        description="The most bytes of webhooks that wait on this replica's disk while history is away; beyond, and "
        "with 0 always: 503.",
    )
    spool_max_age_s: float = Field(
        7 * 86_400,
        gt=0,
        description="Seconds that the oldest may wait; beyond: 503, so that the senders see the outage too.",
    )
    resolve_timeout_s: float = Field(
        300.0, gt=0, le=86_400, description="Seconds that an alert of Prometheus fires when it names no end."
    )
    max_quarantined_bytes: int = Field(
        33_554_432, ge=0, le=50_000_000, description="Bodies of refused payloads are kept up to this size."
    )
