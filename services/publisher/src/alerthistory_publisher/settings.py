"""The publisher's settings."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from alerthistory_common.addresses import MetricsAddress, RpcAddress
from alerthistory_common.database_urls import OwnDatabaseUrl
from alerthistory_common.settings import PREFIX, Settings


class PublisherSettings(Settings):
    """What the publisher reads."""

    section: ClassVar[str] = "publisher"
    model_config = SettingsConfigDict(env_prefix=PREFIX + "PUBLISHER_")

    grpc_listen: RpcAddress = Field("127.0.0.1:7054", description="Address of the gRPC server.")
    metrics_listen: MetricsAddress = Field("127.0.0.1:7064", description="Address of `/metrics`; empty: off.")
    database_url: OwnDatabaseUrl = Field(
        "", description="The publisher's own database; empty: the common one, or a SQLite file in the data folder."
    )
    targets_file: Path | None = Field(
        None, description="YAML file of the targets (see `deploy/targets.example.yaml`); empty: nothing is published."
    )
    target_concurrency: int = Field(
        8, ge=1, le=100, description="How many deliveries may be on their way to one target at a time."
    )
    target_claims: int = Field(
        256,
        ge=1,
        le=1000,
        description="How many deliveries to one target are claimed ahead at most, while it answers within 0.1 s.",
    )
    breaker_open_s: float = Field(
        30,
        ge=0.1,
        le=300,
        description="Seconds for which a target is left alone that failed too often; doubled up to 5 min while it does.",
    )
    max_age_s: float = Field(
        86_400, ge=1, le=30 * 86_400, description="Seconds after which a delivery that keeps failing is given up."
    )

    @field_validator("targets_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None
