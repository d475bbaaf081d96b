"""What a program does not need, it does not import: that is memory and time of every start."""

import subprocess
import sys

import pytest

_NEVER = ("alembic", "opentelemetry.sdk", "opentelemetry.exporter", "psycopg", "redis")
_STORELESS = (*_NEVER, "sqlalchemy")
_PROGRAMS = {
    "alerthistory_gateway": _STORELESS,
    "alerthistory_ingest": _STORELESS,
    "alerthistory_history": _NEVER,
    "alerthistory_classifier": _NEVER,
    "alerthistory_publisher": _NEVER,
    "alerthistory_allinone": _NEVER,
}


def imported(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has after *statement*."""
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def unneeded(modules: set[str], unwanted: tuple[str, ...]) -> list[str]:
    return [name for name in unwanted if name in modules]


@pytest.mark.parametrize("package", _PROGRAMS)
def test_a_program_imports_what_it_needs(package: str) -> None:
    assert unneeded(imported(f"import {package}.__main__"), _PROGRAMS[package]) == []


def test_what_migrates_is_found_out() -> None:
    assert unneeded(imported("import alerthistory_common.migrate"), _NEVER) == ["alembic"]
