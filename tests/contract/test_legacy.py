"""The legacy contract, replayed: every recorded exchange but those that show a defect which is not reproduced.

Two of the four combinations of store and form run here; ``make contract`` runs all.
"""

import base64
import importlib.util
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import URL

from tests.contract.reset import Laboratory
from tests.processes import free_ports, short_folder

LEGACY = Path(__file__).parent / "legacy"
SKIPPED_DEVIATIONS = frozenset({"D16", "D17", "D27"})
VARIANTS = [("sqlite", "allinone"), ("postgres", "services")]
ALL_VARIANTS = [("sqlite", "allinone"), ("sqlite", "services"), ("postgres", "allinone"), ("postgres", "services")]
SCENARIOS = [path.stem for path in sorted((LEGACY / "corpus").glob("*.json"))]


def _replayer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("legacy_replay", LEGACY / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REPLAY = _replayer()


@pytest.fixture(scope="session")
def laboratory(postgres: URL) -> Iterator[Laboratory]:
    """Return where services of scenarios run, one after another."""
    with short_folder() as folder:
        server = postgres.set(drivername="postgresql").render_as_string(hide_password=False)
        laboratory = Laboratory(free_ports(1)[0], folder, postgres=server)
        yield laboratory
        laboratory.close()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("store", "form"), ALL_VARIANTS if os.environ.get("CONTRACT") == "all" else VARIANTS)
def test_scenario(laboratory: Laboratory, store: str, form: str, scenario: str) -> None:
    content = _content(scenario)
    laboratory.stop_service()
    laboratory.start_service(content["config"], store=store, form=form)
    differences = {
        exchange["id"]: found
        for exchange in _replayed(content)
        if (
            found := REPLAY.compare(
                _on(store, exchange), REPLAY.send("127.0.0.1", laboratory.port, exchange["request"])
            )
        )
    }
    assert differences == {}


def _content(scenario: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((LEGACY / "corpus" / f"{scenario}.json").read_text())
    return content


def _replayed(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in content["exchanges"] if not SKIPPED_DEVIATIONS & set(each.get("deviations", ()))]


def _on(store: str, exchange: dict[str, Any]) -> dict[str, Any]:
    """Return *exchange* as it is on *store*: one endpoint names the store in use, and all was recorded on SQLite."""
    if store == "sqlite" or exchange["request"]["target"] != "/api/dashboard/health":
        return exchange
    body = base64.b64decode(exchange["response"]["body_b64"]).replace(b'"type":"sqlite"', b'"type":"postgresql"')
    return {**exchange, "response": {**exchange["response"], "body_b64": base64.b64encode(body).decode()}}


def test_the_corpus_is_whole() -> None:
    core = [each for each in SCENARIOS if not each.startswith("intended-")]
    assert len(core) == 37
    assert sum(len(_replayed(_content(each))) for each in core) == 725
    assert sum(len(_replayed(_content(each))) for each in SCENARIOS) == 836


def test_a_wrong_byte_is_found() -> None:
    """The negative control: the comparison tells an answer that differs in one byte."""
    (first, *_) = _content("history-filters")["exchanges"]
    answer: dict[str, Any] = {**first["response"]}
    assert REPLAY.compare(first, answer) == []
    body = base64.b64decode(answer["body_b64"])
    answer["body_b64"] = base64.b64encode(body[:-1] + b" ").decode()
    assert REPLAY.compare(first, answer)


def test_the_reset_command_stands_alone() -> None:
    with short_folder() as folder:
        port = str(free_ports(1)[0])
        env = {**os.environ, "PORT": port, "TMPDIR": str(folder), "STORE": "sqlite", "FORM": "allinone"}
        command = [
            str(LEGACY / "replay.py"),
            f"http://127.0.0.1:{port}",
            str(LEGACY / "corpus" / "history-empty.json"),
            "--quiet",
            "--reset-cmd",
            str(LEGACY / "reset"),
            "--skip-deviations=D16,D17,D27",
        ]
        try:
            replayed = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
        finally:
            subprocess.run([str(LEGACY / "reset"), "--stop"], env=env, check=True, capture_output=True, timeout=60)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert "0 failed" in replayed.stdout


@pytest.mark.parametrize(
    ("env", "text"), [({"STORE": "oracle"}, "STORE must be one of"), ({"SCENARIO_CONFIG": "{"}, "SCENARIO_CONFIG")]
)
def test_a_wrong_setting_of_the_reset_command_is_named(env: dict[str, str], text: str) -> None:
    answer = subprocess.run(
        [str(LEGACY / "reset")], env={**os.environ, "PORT": "1", **env}, capture_output=True, text=True, check=False
    )
    assert answer.returncode != 0
    assert text in answer.stderr
