"""What the client reads from the environment, and the addresses that follow from it."""

from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from alerthistory_client.addresses import Addresses, check_address
from alerthistory_common.settings import CommonSettings, Settings

_TARGET = "gRPC address of {}; empty: that of `ALERTHISTORY_CLIENT_SERVER`."


class ClientSettings(Settings):
    """Where ``ahctl`` finds the services."""

    section: ClassVar[str] = "client"
    model_config = SettingsConfigDict(env_prefix="ALERTHISTORY_CLIENT_")

    server: str = Field(
        "",
        description="gRPC address of the all-in-one process, `host:port` or `unix:/path`; "
        "empty: `alerthistory.sock` in the data folder.",
    )
    ingest_target: str = Field("", description=_TARGET.format("ingest"))
    history_target: str = Field("", description=_TARGET.format("history"))
    classifier_target: str = Field("", description=_TARGET.format("the classifier"))
    publisher_target: str = Field("", description=_TARGET.format("the publisher"))
    timeout_s: float = Field(10.0, gt=0, le=3600, description="Seconds that one call may take.")

    @field_validator("server", "ingest_target", "history_target", "classifier_target", "publisher_target")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return check_address(value) if value else value


def addresses_of(common: CommonSettings, client: ClientSettings) -> Addresses:
    """Return where the services are: each at its own setting, otherwise at the server, otherwise in the data folder."""
    server = client.server or f"unix:{common.data_dir / 'alerthistory.sock'}"
    return Addresses(
        ingest=client.ingest_target or server,
        history=client.history_target or server,
        classifier=client.classifier_target or server,
        publisher=client.publisher_target or server,
    )
