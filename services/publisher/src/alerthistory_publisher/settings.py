"""The publisher's settings."""

import re
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import SettingsConfigDict

from alerthistory_common.addresses import MetricsAddress, RpcAddress
from alerthistory_common.database_urls import OwnDatabaseUrl
from alerthistory_common.settings import PREFIX, Settings
from alerthistory_publisher.domain.destinations import networks_of


def _networks(text: str) -> str:
    networks_of(text)
    return text


_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


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
        None, description="YAML file of targets (see `deploy/targets.example.yaml`); empty: none."
    )
    targets_directory: Path | None = Field(
        None, description="Directory with targets as mounted secrets, each in a sub-directory; empty: none."
    )
    kubernetes_namespaces: str = Field(
        "",
        description="Namespaces, separated by commas, whose secrets labelled `publishing-target=true` or "
        "`alert-history.io/target=true` are targets; empty: none.",
    )
    targets_refresh_s: float = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds after which targets are read anew without being asked: so long a change of a mounted "
        "secret, or one that no watch told of, goes unnoticed.",
    )
    allowed_networks: Annotated[str, AfterValidator(_networks)] = Field(
        "",
        description="Networks with targets whose addresses are not public, such as `10.0.0.0/8,fd00::/8`; empty: none.",
    )
    allow_http: bool = Field(
        default=False,
        description="Whether targets may have `http://` URLs, by which alerts and keys travel in the clear.",
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
        description="Seconds for which a target that failed too often is left alone; doubled while it does, up to 300.",
    )
    max_age_s: float = Field(
        86_400, ge=1, le=30 * 86_400, description="Seconds after which a delivery that keeps failing is given up."
    )

    @field_validator("targets_file", "targets_directory", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("kubernetes_namespaces")
    @classmethod
    def _are_namespaces(cls, value: str) -> str:
        for name in namespaces_of(value):
            if not _NAMESPACE.fullmatch(name):
                raise ValueError(f"{name!r} cannot be a namespace")
        return value


def namespaces_of(text: str) -> tuple[str, ...]:
    """Return the names in *text*, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
