"""The legacy contract, replayed: every recorded exchange but those that show a defect which is not reproduced.

Two of the four combinations of store and form run here; ``make contract`` runs all.
"""

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
NOT_YET = ("llm-enrichment-modes", "llm-error-fallback", "llm-universal-webhook", "intended-")
"""The classifier's LLM and the publisher's targets are built later."""

VARIANTS = [("sqlite", "allinone"), ("postgres", "services")]
ALL_VARIANTS = [("sqlite", "allinone"), ("sqlite", "services"), ("postgres", "allinone"), ("postgres", "services")]
SCENARIOS = [path.stem for path in sorted((LEGACY / "corpus").glob("*.json")) if not path.stem.startswith(NOT_YET)]


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
    content = json.loads((LEGACY / "corpus" / f"{scenario}.json").read_text())
    laboratory.stop_service()
    laboratory.start_service(content["config"], store=store, form=form)
    differences = {
        exchange["id"]: found
        for exchange in content["exchanges"]
        if not SKIPPED_DEVIATIONS & set(exchange.get("deviations", ()))
        and (found := REPLAY.compare(exchange, REPLAY.send("127.0.0.1", laboratory.port, exchange["request"])))
    }
    assert differences == {}


def test_the_corpus_is_whole() -> None:
    exchanges = [
        exchange
        for scenario in SCENARIOS
        for exchange in json.loads((LEGACY / "corpus" / f"{scenario}.json").read_text())["exchanges"]
        if not SKIPPED_DEVIATIONS & set(exchange.get("deviations", ()))
    ]
    assert (len(SCENARIOS), len(exchanges)) == (34, 701)


def test_a_wrong_byte_is_found() -> None:
    """The negative control: the comparison tells an answer that differs in one byte."""
    (first, *_) = json.loads((LEGACY / "corpus" / "history-filters.json").read_text())["exchanges"]
    answer: dict[str, Any] = {**first["response"]}
    assert REPLAY.compare(first, answer) == []
    body = REPLAY.base64.b64decode(answer["body_b64"])
    answer["body_b64"] = REPLAY.base64.b64encode(body[:-1] + b" ").decode()
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
