"""The Dockerfiles, without Docker: what they copy exists, what they install installs, what they start starts."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.deploy.delivery import (
    ROOT,
    SERVICES,
    Instruction,
    builder,
    console_scripts,
    dockerfile,
    final,
    folder,
)

PROGRAMS = (*SERVICES, "allinone")
UNREACHABLE = re.compile(r"error sending request|dns error|Failed to fetch|Request failed after|timed out", re.I)


@pytest.mark.parametrize("program", PROGRAMS)
def test_everything_copied_exists_and_reaches_the_builder(program: str) -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source, target in copies(program):
        assert (ROOT / source).exists(), source
        assert source == target, "the builder mirrors the repository"
        assert any(Path(source).is_relative_to(each) for each in sent), f".dockerignore holds {source} back"


def test_what_is_sent_to_the_builder_exists() -> None:
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        assert not line.startswith("!") or (ROOT / line[1:]).exists(), line


@pytest.mark.parametrize("program", PROGRAMS)
def test_dependencies_come_from_the_hashed_lock_of_the_program(program: str) -> None:
    lock = folder(program) / "requirements.lock"
    (sync,) = [each.text for each in builder(program) if "pip sync" in each.text]
    assert "--require-hashes" in sync
    assert sync.endswith(f" {lock}")
    pinned = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in pinned if not entry.startswith("#"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_our_packages_bring_no_dependencies_that_the_lock_lacks(program: str) -> None:
    (install,) = [each.text for each in builder(program) if "uv pip install" in each.text]
    assert {"--no-deps", "--no-sources"} <= set(install.split())
    packages = {word.removeprefix("./") for word in install.split() if word.startswith("./")}
    assert packages == {str(folder(each)) for each in parts(program)} | {"protos", "libs/common"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_uv_is_the_one_of_the_workspace(program: str) -> None:
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (uv,) = [each for each in workspace["dependency-groups"]["dev"] if re.match(r"uv\W", each)]
    assert any(f'pip install --no-cache-dir "{uv}"' in each.text for each in builder(program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_image_starts_a_command_of_the_package_as_nobody(program: str) -> None:
    assert json.loads(only("ENTRYPOINT", final(program)))[0] in console_scripts(program)
    assert only("USER", final(program)) == "65532:65532"
    assert only("STOPSIGNAL", final(program)) == "SIGTERM"


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_image_is_made_without_a_shell_and_writes_to_its_data_folder_only(program: str) -> None:
    assert "RUN" not in {each.name for each in final(program)}
    owned = [each.text for each in final(program) if "--chown" in each.text]
    assert owned == ["--from=builder --chown=65532:65532 /data /data"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_stages_have_the_same_pinned_python(program: str) -> None:
    first, last = [each.text.split()[0] for each in dockerfile(program) if each.name == "FROM"]
    assert first == last
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", last)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_builder_makes_a_program_that_starts(program: str, tmp_path: Path) -> None:
    for source, target in copies(program):
        copy(ROOT / source, tmp_path / target)
    commands = [each.text for each in builder(program) if each.name == "RUN" and each.text.startswith("uv ")]
    for command in commands:
        run_here(command, tmp_path)
    run_here("uv pip check --python /venv", tmp_path)
    entrypoint = json.loads(only("ENTRYPOINT", final(program)))[0]
    version = [tmp_path / "venv/bin" / entrypoint, "--version"]
    started = subprocess.run(version, cwd="/", env={}, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith(entrypoint)


def parts(program: str) -> tuple[str, ...]:
    """Return the programs whose code is in the image of *program*."""
    return PROGRAMS if program == "allinone" else (program,)


def copies(program: str) -> list[tuple[str, str]]:
    """Return source and target of what the builder copies from the repository."""
    words = [each.text.split() for each in builder(program) if each.name == "COPY"]
    return [(source, target) for source, target in words]


def only(name: str, instructions: Sequence[Instruction]) -> str:
    """Return the text of the one instruction *name*."""
    (found,) = [each.text for each in instructions if each.name == name]
    return found


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder as .dockerignore lets it pass."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def run_here(command: str, place: Path) -> None:
    """Run a command of the builder in *place*, with uv's cache; skips the test when the registry is out of reach."""
    moved = command.replace("/venv", str(place / "venv")).replace("--no-cache ", "")
    moved = moved.replace("/usr/local/bin/python", sys.executable)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for other in ("VIRTUAL_ENV", "PYTHONPATH"):
        environment.pop(other, None)
    done = subprocess.run(["sh", "-ec", moved], cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
