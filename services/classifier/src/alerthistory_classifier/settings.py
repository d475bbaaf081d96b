"""The classifier's settings."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alerthistory_classifier.domain.modes import Mode
from alerthistory_common.addresses import MetricsAddress, RpcAddress
from alerthistory_common.database_urls import OwnDatabaseUrl
from alerthistory_common.settings import PREFIX, Settings

_LEGACY_MODE = "ENRICHMENT_MODE"


class ClassifierSettings(Settings):
    """What the classifier reads."""

    section: ClassVar[str] = "classifier"
    model_config = SettingsConfigDict(env_prefix=PREFIX + "CLASSIFIER_")

    grpc_listen: RpcAddress = Field("127.0.0.1:7053", description="Address of the gRPC server.")
    metrics_listen: MetricsAddress = Field("127.0.0.1:7063", description="Address of `/metrics`; empty: off.")
    database_url: OwnDatabaseUrl = Field(
        "", description="The classifier's own database; empty: the common one, or a SQLite file in the data folder."
    )
    enrichment_mode: Mode | None = Field(
        None,
        description="`transparent`, `enriched` or `transparent_with_recommendations`, until somebody sets the mode by "
        "RPC; empty: `enriched`. (Legacy name: `ENRICHMENT_MODE`; there, a wrong value counts as `enriched`)",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, legacy environment, YAML file."""
        first, second, *rest = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return first, second, _LegacyMode(settings_cls), *rest


def ignored_legacy_mode(environment: Mapping[str, str]) -> str:
    """Return the legacy variable's value when it is none of the modes, otherwise an empty text."""
    value = environment.get(_LEGACY_MODE, "")
    return "" if value in set(Mode) else value


class _LegacyMode(PydanticBaseSettingsSource):
    """Reads the older service's variable; a wrong value there never failed the start, and does not now."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of the legacy variable of a field."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the mode when the variable names one."""
        value = os.environ.get(_LEGACY_MODE, "")
        return {"enrichment_mode": value} if value in set(Mode) else {}
