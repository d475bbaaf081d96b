"""Settings: the environment over a YAML file over defaults, and no wrong one is ignored.

A service declares a subclass of ``Settings`` with a section name; its field ``port`` is then read from
``ALERTHISTORY_<SECTION>_PORT``, and from ``port`` in that section of the file that ``ALERTHISTORY_CONFIG_FILE`` names.
``CommonSettings`` has no section: ``ALERTHISTORY_DATA_DIR``, and the section ``common`` of the file.
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alerthistory_common.crash_points import CrashPoint
from alerthistory_common.database_urls import SharedDatabaseUrl

PREFIX = "ALERTHISTORY_"
CONFIG_FILE = PREFIX + "CONFIG_FILE"
SECTIONS = ("common", "gateway", "ingest", "history", "classifier", "publisher", "client")

_S = TypeVar("_S", bound="Settings")


class SettingsError(Exception):
    """At least one setting is wrong. ``problems`` names every one of them, for a person."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("wrong settings:\n" + "\n".join(f"  * {problem}" for problem in self.problems))


class Settings(BaseSettings):
    """One section of the settings. ``legacy_names`` maps fields to variables that the older service read."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_ignore_empty=False)
    section: ClassVar[str]
    legacy_names: ClassVar[Mapping[str, str]] = {}

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
        return init_settings, env_settings, _LegacySource(settings_cls), _FileSource(settings_cls)

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the environment variable of *field*."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()


def _redis_url(text: str) -> str:
    if text and not text.startswith(("redis://", "rediss://", "unix:///")):
        raise ValueError("must begin with redis://, rediss:// or unix:///")
    return text


RedisUrl = Annotated[str, AfterValidator(_redis_url)]


class CommonSettings(Settings):
    """What every process reads."""

    section: ClassVar[str] = "common"
    model_config = SettingsConfigDict(env_prefix=PREFIX)
    legacy_names: ClassVar[Mapping[str, str]] = {
        "database_url": "DATABASE_URL",
        "redis_url": "REDIS_URL",
        "retention_days": "RETENTION_DAYS",
    }

    data_dir: Path = Field(Path("data"), description="Folder of the SQLite files and the Unix socket.")
    database_url: SharedDatabaseUrl = Field(
        "",
        description="`postgresql://…` for all services; empty: SQLite files. (Legacy name: `DATABASE_URL`)",
    )
    database_pool_min: int = Field(
        1, ge=0, le=500, description="Connections to PostgreSQL that each service keeps open."
    )
    database_pool_max: int = Field(8, ge=5, le=500, description="The most connections that each service opens.")
    database_pool_lifetime_s: float = Field(
        1800, ge=1, le=604_800, description="Seconds after which a connection is replaced when it is next used."
    )
    database_pool_idle_s: float = Field(
        300, ge=1, le=86_400, description="Seconds after which PostgreSQL closes a connection that nobody used."
    )
    database_pool_timeout_s: float = Field(
        2, gt=0, le=60, description="Seconds to wait for a free connection before answering UNAVAILABLE."
    )
    database_connect_timeout_s: int = Field(3, ge=2, le=60, description="Seconds that opening a connection may take.")
    database_statement_timeout_s: float = Field(
        30, ge=1, le=3600, description="Seconds after which PostgreSQL ends a statement, or an idle transaction."
    )
    database_pgbouncer: bool = Field(
        default=False,
        description="Whether PgBouncer pools transactions in between: nothing is prepared or set for a session.",
    )
    redis_url: RedisUrl = Field(
        "",
        description="`redis://…`, `rediss://…` or `unix:///…`, by which replicas share the enrichment mode, wake "
        "each other's tails and keep targets' pauses; empty: the classifier's database has the "
        "mode. (Legacy name: `REDIS_URL`)",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Days after which what was last received so long ago is deleted; what fires, waits or could not be "
        "delivered stays. Empty: nothing is ever deleted. (Legacy name: `RETENTION_DAYS`)",
    )
    auth: Literal["", "none"] = Field(
        "", description="`none` allows listening beyond this machine without authentication."
    )
    reflection: bool = Field(default=False, description="Whether gRPC reflection is offered.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important log line that is written."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="`console` for people, `json` for collectors."
    )
    otlp_endpoint: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="OTLP/gRPC endpoint for traces, such as `http://jaeger:4317`; empty: no tracing.",
    )
    crash_at: Literal["", CrashPoint] = Field(
        "", description="For tests: the step at which the process kills itself; empty: none."
    )
    drain_grace_s: float = Field(10.0, gt=0, le=600, description="Seconds that work in hand may take after SIGTERM.")
    drain_delay_s: float = Field(
        0.0,
        ge=0,
        le=600,
        description="Seconds between turning unready and refusing calls, for load balancers to notice.",
    )

    @field_validator("database_pool_max")
    @classmethod
    def _max_is_not_below_min(cls, value: int, context: ValidationInfo) -> int:
        if value < context.data.get("database_pool_min", 0):
            raise ValueError("must not be smaller than the setting database_pool_min")
        return value


def load(*classes: type[_S]) -> tuple[_S, ...]:
    """Return one instance of each of *classes*, read from the environment and the YAML file.

    Raises SettingsError, which names every wrong value, every unknown variable with our prefix and every unknown key.
    Variables and file sections of services that are not in *classes* are theirs to judge.
    """
    problems: list[str] = []
    loaded: list[_S] = []
    try:
        problems += _unknown_sections(_config_file())
    except SettingsError as error:
        raise SettingsError((*error.problems, *_unknown_variables(classes))) from error
    problems += _unknown_variables(classes)
    for cls in classes:
        try:
            loaded.append(cls())
        except ValidationError as error:
            problems += [_explain(cls, dict(item)) for item in error.errors()]
    if problems:
        raise SettingsError(problems)
    return tuple(loaded)


class _LegacySource(PydanticBaseSettingsSource):
    """Reads the variables of the older service."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of the legacy variable of a field."""
        name = getattr(self.settings_cls, "legacy_names", {}).get(field_name)
        return (os.environ.get(name) or None if name else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of all legacy variables that are set."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class _FileSource(PydanticBaseSettingsSource):
    """Reads one section of the YAML file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a key of the section."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the section."""
        section: dict[str, Any] = _config_file().get(getattr(self.settings_cls, "section", ""), None) or {}
        return section


def _config_file() -> dict[str, Any]:
    path = os.environ.get(CONFIG_FILE)
    if not path:
        return {}
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{CONFIG_FILE}={path}: cannot be read: {error}"]) from error
    except yaml.YAMLError as error:
        raise SettingsError([f"{CONFIG_FILE}={path}: is not YAML: {error}"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(v, dict) or v is None for v in content.values()):
        raise SettingsError([f"{CONFIG_FILE}={path}: must hold sections: {', '.join(SECTIONS)}"])
    return content


def _unknown_sections(content: Mapping[str, Any]) -> list[str]:
    return [
        f"unknown section {name!r} in the configuration file{_hint(str(name), SECTIONS)}"
        for name in content
        if name not in SECTIONS
    ]


def _unknown_variables(classes: Iterable[type[Settings]]) -> list[str]:
    known = {CONFIG_FILE} | {cls.variable(field) for cls in classes for field in cls.model_fields}
    mine = {cls.section for cls in classes}
    others = tuple(f"{PREFIX}{name.upper()}_" for name in SECTIONS if name not in mine)
    unknown = sorted(
        name for name in os.environ if name.startswith(PREFIX) and name not in known and not name.startswith(others)
    )
    return [f"unknown variable {name}{_hint(name, known)}" for name in unknown]


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _explain(cls: type[Settings], item: Mapping[str, Any]) -> str:
    field = str(item["loc"][0]) if item["loc"] else ""
    if item["type"] == "extra_forbidden":
        hint = _hint(field, cls.model_fields)
        return f"unknown key {field!r} in section {cls.section!r} of the configuration file{hint}"
    name = _name_in_use(cls, field) if field in cls.model_fields else cls.section
    shown = "" if "url" in field or "key" in field or "token" in field else f" (got {str(item['input'])[:100]!r})"
    return f"{name}: {item['msg']}{shown}"


def _name_in_use(cls: type[Settings], field: str) -> str:
    legacy = cls.legacy_names.get(field, "")
    return legacy if legacy in os.environ and cls.variable(field) not in os.environ else cls.variable(field)
