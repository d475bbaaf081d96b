"""Settings: precedence, legacy names, and that no wrong one is ignored."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from alerthistory_common.settings import CommonSettings, Settings, SettingsError, load


class ShopSettings(Settings):
    """The settings of a service that stands for all."""

    section: ClassVar[str] = "gateway"
    model_config = SettingsConfigDict(env_prefix="ALERTHISTORY_GATEWAY_")
    legacy_names: ClassVar[dict[str, str]] = {"port": "PORT"}

    port: int = Field(8080, ge=1, le=65535)
    host: str = Field("127.0.0.1")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "DATABASE_URL", "REDIS_URL", "ALERTHISTORY_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_apply_when_nothing_is_set() -> None:
    (shop,) = load(ShopSettings)
    assert (shop.port, shop.host) == (8080, "127.0.0.1")


def test_environment_beats_legacy_name_beats_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("gateway:\n  port: 1001\n  host: ::1\n")
    monkeypatch.setenv("ALERTHISTORY_CONFIG_FILE", str(file))
    assert load(ShopSettings)[0].port == 1001
    monkeypatch.setenv("PORT", "1002")
    assert load(ShopSettings)[0].port == 1002
    monkeypatch.setenv("ALERTHISTORY_GATEWAY_PORT", "1003")
    assert (load(ShopSettings)[0].port, load(ShopSettings)[0].host) == (1003, "::1")


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("gateway:\n  hosts: x\ngatewai:\n  port: 1\ncommon:\n  log_level: loud\n")
    monkeypatch.setenv("ALERTHISTORY_CONFIG_FILE", str(file))
    monkeypatch.setenv("ALERTHISTORY_GATEWAY_PORT", "many")
    monkeypatch.setenv("ALERTHISTORY_GATEWAY_HOTS", "x")
    monkeypatch.setenv("ALERTHISTORY_DATADIR", "x")
    with pytest.raises(SettingsError) as caught:
        load(CommonSettings, ShopSettings)
    text = "\n".join(caught.value.problems)
    assert "unknown section 'gatewai' in the configuration file (did you mean gateway?)" in text
    assert "unknown key 'hosts' in section 'gateway' of the configuration file (did you mean host?)" in text
    assert "unknown variable ALERTHISTORY_GATEWAY_HOTS (did you mean ALERTHISTORY_GATEWAY_HOST?)" in text
    assert "unknown variable ALERTHISTORY_DATADIR (did you mean ALERTHISTORY_DATA_DIR?)" in text
    assert "ALERTHISTORY_GATEWAY_PORT: Input should be a valid integer" in text
    assert "ALERTHISTORY_LOG_LEVEL: Input should be 'debug'" in text
    assert len(caught.value.problems) == 6


def test_variables_of_other_services_are_theirs_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTHISTORY_HISTORY_ANYTHING", "x")
    load(CommonSettings, ShopSettings)


def test_secrets_are_not_repeated_in_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("common:\n  database_url: [postgresql://u:s3cret@h/d]\n")
    monkeypatch.setenv("ALERTHISTORY_CONFIG_FILE", str(file))
    with pytest.raises(SettingsError) as caught:
        load(CommonSettings)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", ["- a", "common: 7", "{", "\x00"])
def test_a_file_that_holds_no_sections_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)
    monkeypatch.setenv("ALERTHISTORY_CONFIG_FILE", str(file))
    with pytest.raises(SettingsError, match=r"config\.yaml"):
        load(CommonSettings)


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALERTHISTORY_CONFIG_FILE", str(tmp_path / "absent.yaml"))
    with pytest.raises(SettingsError, match=r"absent\.yaml.*No such file"):
        load(CommonSettings)


def test_a_redis_url_says_what_it_must_be_and_keeps_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "localhost:6379/?password=secret")
    with pytest.raises(SettingsError) as caught:
        load(CommonSettings)
    (problem,) = caught.value.problems
    assert problem.startswith("REDIS_URL: ")
    assert "redis://" in problem
    assert "secret" not in problem
