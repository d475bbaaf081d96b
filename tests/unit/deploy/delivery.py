"""What the repository delivers to a cluster: programs, Dockerfiles, manifests; read from the files as they are."""

import importlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerthistory_common.settings import CommonSettings, Settings, load

ROOT = Path(__file__).parents[3]
KUSTOMIZE = ROOT / "deploy/kustomize"
SERVICES = ("gateway", "ingest", "history", "classifier", "publisher")
WITH_DATABASE = ("history", "classifier", "publisher")

Manifest = dict[str, Any]


def folder(program: str) -> Path:
    """Return the folder of *program*, relative to the root: a service, the gateway, or all-in-one."""
    places = {"gateway": Path("gateway"), "allinone": Path("deploy/allinone")}
    return places.get(program, Path("services") / program)


def console_scripts(program: str) -> set[str]:
    """Return the names of the commands that the package of *program* installs."""
    project = tomllib.loads((ROOT / folder(program) / "pyproject.toml").read_text())
    return set(project["project"]["scripts"])


def settings_class(service: str) -> type[Settings]:
    """Return the class of the settings of *service*."""
    module = importlib.import_module(f"alerthistory_{service}.settings")
    (found,) = {
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Settings) and getattr(value, "section", None) == service
    }
    return found


def read_manifests(place: Path) -> list[Manifest]:
    """Return the manifests of one YAML file."""
    return [manifest for manifest in yaml.safe_load_all(place.read_text()) if manifest]


def service_manifests(service: str) -> list[Manifest]:
    """Return all manifests in the folder of *service*, without what kustomize generates."""
    place = KUSTOMIZE / "services" / service
    (listed,) = read_manifests(place / "kustomization.yaml")
    return [manifest for name in listed["resources"] for manifest in read_manifests(place / name)]


def read_variables(place: Path) -> dict[str, str]:
    """Return the variables of an env file."""
    lines = [line for line in place.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def set_only(wanted: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make *wanted* the only variables of ours in the environment."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    for name in [name for name in os.environ if name.startswith("ALERTHISTORY_")]:
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)


def loaded_with(
    environment: dict[str, str], own: type[Settings], monkeypatch: pytest.MonkeyPatch
) -> tuple[CommonSettings, Settings]:
    """Return the settings that a program with *own* settings reads from *environment*."""
    set_only(environment, monkeypatch)
    common, loaded = load(CommonSettings, own)
    assert isinstance(common, CommonSettings)
    return common, loaded


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile; ``text`` is all that follows its name."""

    name: str
    text: str


def dockerfile(program: str) -> list[Instruction]:
    """Return the instructions of the Dockerfile of *program*."""
    lines = (ROOT / folder(program) / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def builder(program: str) -> list[Instruction]:
    """Return the instructions of the first stage."""
    instructions = dockerfile(program)
    second = [index for index, each in enumerate(instructions) if each.name == "FROM"][1]
    return instructions[:second]


def final(program: str) -> list[Instruction]:
    """Return the instructions of the last stage."""
    return dockerfile(program)[len(builder(program)) :]
