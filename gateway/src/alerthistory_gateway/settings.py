"""What the gateway can be told."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from alerthistory_common.addresses import MetricsAddress, RpcAddress
from alerthistory_common.settings import Settings


class GatewaySettings(Settings):
    """The section ``gateway``."""

    section: ClassVar[str] = "gateway"
    model_config = SettingsConfigDict(env_prefix="ALERTHISTORY_GATEWAY_")
    legacy_names: ClassVar[Mapping[str, str]] = {"port": "PORT"}

    host: str = Field("127.0.0.1", min_length=1, description="Address on which HTTP is served.")
    port: int = Field(8080, ge=1, le=65535, description="Port on which HTTP is served. (Legacy name: `PORT`)")
    grpc_listen: RpcAddress = Field(
        "127.0.0.1:7050", description="Address of the gRPC server, which answers health checks."
    )
    metrics_listen: MetricsAddress = Field(
        "127.0.0.1:7060", description="Address of the process's own metrics; empty: off."
    )
    ingest_target: str = Field("127.0.0.1:7051", description="gRPC target of ingest.")
    history_target: str = Field("127.0.0.1:7052", description="gRPC target of history.")
    classifier_target: str = Field("127.0.0.1:7053", description="gRPC target of the classifier.")
    publisher_target: str = Field("127.0.0.1:7054", description="gRPC target of the publisher.")
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Peers whose `X-Forwarded-Proto` and `-For` are believed: addresses, networks, or `*`.",
    )
    max_body_bytes: int = Field(
        32 * 1024 * 1024, ge=1024, le=48 * 1024 * 1024, description="The largest request body; larger ones get 413."
    )
    max_pending_bytes: int = Field(
        256 * 1024 * 1024, ge=1024, description="The most bytes that webhooks in hand may take together; beyond: 503."
    )
    max_connections: int = Field(4096, ge=1, description="The most open HTTP connections; beyond: 503.")
    webhook_concurrency: int = Field(512, ge=1, description="The most webhooks in hand; beyond: 503.")
    rate_limit: int = Field(
        500,
        ge=0,
        description="The most requests per second of one client (who proved who it is, else its address; of IPv6, the "
        "first 64 bits), webhooks and probes apart; beyond: 429. 0: no limit.",
    )
    webhook_rate_limit: int = Field(
        0,
        ge=0,
        description="The most webhooks per second of one client; beyond: 503, because Alertmanager drops notifications "
        "at 429. 0: no limit.",
    )
    webhook_timeout_s: float = Field(
        8.0, gt=0, le=60, description="Seconds in which a webhook is stored, or answered with 503."
    )
    batch_kib: int = Field(
        512, ge=1, le=1000, description="How much of waiting webhooks goes into one call to ingest, in KiB."
    )
    batches_in_flight: int = Field(4, ge=1, le=64, description="How many calls to ingest run at a time.")
    request_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Seconds for a question to a service, and for a client to send its body."
    )
    keep_alive_s: int = Field(
        310, ge=1, le=3600, description="Seconds an idle connection is kept; Alertmanager keeps its own for 300."
    )
