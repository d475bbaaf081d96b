"""The classifier's settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import httpx
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alerthistory_classifier.domain.modes import Mode
from alerthistory_common.addresses import MetricsAddress, RpcAddress
from alerthistory_common.database_urls import OwnDatabaseUrl
from alerthistory_common.settings import PREFIX, Settings

_LEGACY_MODE = "ENRICHMENT_MODE"
_LEGACY_SWITCH = "LLM_ENABLED"


def _llm_url(text: str) -> str:
    if not text:
        return text
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError("is no URL") from error
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise ValueError("must be http://… or https://…, without a query")
    return text.rstrip("/").removesuffix("/v1")


LlmUrl = Annotated[str, AfterValidator(_llm_url)]


class ClassifierSettings(Settings):
    """What the classifier reads."""

    section: ClassVar[str] = "classifier"
    model_config = SettingsConfigDict(env_prefix=PREFIX + "CLASSIFIER_")
    legacy_names: ClassVar[Mapping[str, str]] = {
        "llm_url": "LLM_PROXY_URL",
        "llm_model": "LLM_MODEL",
        "llm_api_key": "LLM_API_KEY",
    }

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

    rules_file: Path | None = Field(
        None, description="YAML file of rules (see `docs/rules.md`); empty: those that ship with the classifier."
    )
    fallback: Literal["rules", "legacy"] = Field(
        "rules",
        description="Who judges when the LLM cannot: our `rules`, or `legacy`, the older service's few words.",
    )
    llm_url: LlmUrl = Field(
        "",
        description="Base URL of an OpenAI-compatible interface, such as `http://litellm:4000`; "
        "`/v1/chat/completions` is added. Empty: no LLM, rules judge. (Legacy name: `LLM_PROXY_URL`)",
    )
    llm_model: str = Field(
        "openai/gpt-4o",
        min_length=1,
        description="Name of the model, as the proxy knows it. (Legacy name: `LLM_MODEL`)",
    )
    llm_api_key: SecretStr = Field(SecretStr(""), description="API key; better in a file. (Legacy name: `LLM_API_KEY`)")
    llm_api_key_file: Path | None = Field(
        None, description="File that holds the API key, read anew for every request; goes before `llm_api_key`."
    )
    llm_form: Literal["auto", "json_schema", "tools", "functions", "text"] = Field(
        "auto",
        description="How an answer of a given shape is asked for; `auto`: the first of these that the model answers. "
        "`functions` is the older service's protocol.",
    )
    llm_wait_s: float = Field(
        4.0,
        ge=0,
        le=60,
        description="Seconds that an alert waits for the LLM at most; then rules judge. What it says later is kept for "
        "the next alert of the kind. Keep it below ingest's `classify_timeout_s`.",
    )
    llm_timeout_s: float = Field(
        20.0, gt=0, le=300, description="Seconds that one question to the LLM may take, with all its tries."
    )
    llm_read_timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds that the LLM's proxy may be silent.")
    llm_attempts: int = Field(3, ge=1, le=10, description="How often one question is tried.")
    llm_concurrency: int = Field(8, ge=1, le=1000, description="How many questions the LLM has before it at a time.")
    llm_queue: int = Field(
        64, ge=0, le=10_000, description="How many more questions may wait for their turn; beyond, rules judge at once."
    )
    llm_cache_ttl_s: float = Field(
        86_400, ge=0, le=30 * 86_400, description="Seconds for which an answer holds for other alerts of its kind."
    )
    llm_failure_ttl_s: float = Field(
        15.0, ge=0, le=3600, description="Seconds for which a question that failed is not asked again."
    )
    llm_cache_size: int = Field(10_000, ge=1, le=1_000_000, description="How many answers a replica keeps in memory.")
    llm_breaker_failures: float = Field(
        0.5, gt=0, le=1, description="Share of the last 20 questions that failed from which on the LLM is left alone."
    )
    llm_breaker_slow_s: float = Field(
        15.0,
        gt=0,
        le=300,
        description="Seconds from which on an answer is slow; the LLM is left alone at 80 % of them.",
    )
    llm_breaker_open_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="Seconds for which it is left alone first; twice as long after every vain trial.",
    )
    llm_price_prompt: float = Field(0.0, ge=0, description="Price of a million tokens that the model reads.")
    llm_price_completion: float = Field(0.0, ge=0, description="Price of a million tokens that the model writes.")
    llm_daily_budget: float = Field(
        0.0, ge=0, description="What may be spent on a day (UTC), all replicas together; then rules judge. 0: no limit."
    )

    @field_validator("llm_api_key_file", "rules_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("llm_daily_budget")
    @classmethod
    def _budget_has_prices(cls, value: float, context: ValidationInfo) -> float:
        if value and not (context.data.get("llm_price_prompt") or context.data.get("llm_price_completion")):
            raise ValueError("needs the settings llm_price_prompt and llm_price_completion")
        return value

    def llm_key(self) -> str:
        """Return the API key, empty when there is none; raise OSError when its file cannot be read."""
        if self.llm_api_key_file is None:
            return self.llm_api_key.get_secret_value()
        return self.llm_api_key_file.read_text(encoding="utf-8").strip()

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
        return first, second, _LegacyMode(settings_cls), _LegacySwitch(settings_cls), *rest


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


class _LegacySwitch(PydanticBaseSettingsSource):
    """Reads the older service's switch: its proxy's URL counts only while the LLM is not switched off."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of the legacy variable of a field."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return an empty URL when the LLM is switched off."""
        is_off = os.environ.get(_LEGACY_SWITCH, "").strip().lower() in {"false", "0", "no", "off"}
        return {"llm_url": ""} if is_off else {}
