"""The whole suite under test: all in one process, or five processes; on SQLite or PostgreSQL."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import URL

from tests.processes import START_LIMIT_S, Program, answers, clean_environment, free_ports, script, until

SERVICES = ("gateway", "ingest", "history", "classifier", "publisher")
LOCAL_TARGETS = {
    "ALERTHISTORY_PUBLISHER_ALLOWED_NETWORKS": "127.0.0.0/8",
    "ALERTHISTORY_PUBLISHER_ALLOW_HTTP": "true",
}
"""Lets targets be on this machine, where tests receive."""


class Suite:
    """A way to start Alert History on one data folder and one gateway port, again and again."""

    def __init__(
        self,
        folder: Path,
        *,
        form: str = "allinone",
        database: URL | None = None,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.form = form
        ports = iter(free_ports(11))
        self.port = port or next(ports)
        self.url = f"http://127.0.0.1:{self.port}"
        # Certificates are slow to load, and a kept connection is stale after every restart.
        self.http = httpx.Client(
            base_url=self.url,
            verify=False,
            trust_env=False,
            timeout=30,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.env = {
            "ALERTHISTORY_DATA_DIR": str(folder / "data"),
            "ALERTHISTORY_GATEWAY_PORT": str(self.port),
            "ALERTHISTORY_LOG_LEVEL": "info",
            **LOCAL_TARGETS,
            **self._addresses(dict.fromkeys(SERVICES), ports),
            **(env or {}),
        }
        if database is not None:
            self.env["ALERTHISTORY_DATABASE_URL"] = database.set(drivername="postgresql").render_as_string(
                hide_password=False
            )

    @property
    def grpc(self) -> Mapping[str, str]:
        """The gRPC address of every service."""
        if self.form == "allinone":
            return dict.fromkeys(SERVICES, f"unix:{self.folder}/data/alerthistory.sock")
        return {name: self.env[f"ALERTHISTORY_{name.upper()}_GRPC_LISTEN"] for name in SERVICES}

    @contextmanager
    def running(self) -> Iterator[Program]:
        """Yield the started program, ready to take alerts; it is killed at the end if it still runs."""
        program = self.start()
        try:
            yield program
        finally:
            if program.process.poll() is None:
                program.stop()

    def start(self, *, migrate: bool = True) -> Program:
        """Return the started program, ready to take alerts."""
        program = self.launch(migrate=migrate)
        try:
            until(lambda: self._is_ready(program), within_s=START_LIMIT_S, saying="the suite is ready")
        except AssertionError as error:
            program.kill()
            raise AssertionError(f"{error}\n{program.log.read_text()[-4000:]}") from error
        return program

    def launch(self, *, migrate: bool = True) -> Program:
        """Return the program, started but perhaps not ready."""
        log = self.folder / "suite.log"
        if self.form == "services":
            return Program(script("alerthistory-up"), env=self.env, log=log)
        if migrate:
            self.run("alerthistory", "migrate")
        return Program(script("alerthistory"), "serve", env=self.env, log=log)

    def run(self, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Return the result of one of our console scripts, run with the suite's settings."""
        result = subprocess.run(
            [script(name), *arguments],
            env=self.environment(name),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and result.returncode:
            raise AssertionError(f"{name} {' '.join(arguments)} exited {result.returncode}: {result.stderr}")
        return result

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment in which the console script *name* has the suite's settings."""
        client = {
            f"ALERTHISTORY_CLIENT_{service.upper()}_TARGET": at
            for service, at in self.grpc.items()
            if service != "gateway"
        }
        return {**clean_environment(), **self.env, **(client if name == "ahctl" else {})}

    def history(self, **query: str | int) -> list[dict[str, object]]:
        """Return the alerts that ``GET /history`` lists."""
        answer = self.http.get("/history", params=query)
        alerts: list[dict[str, object]] = answer.raise_for_status().json()["alerts"]
        return alerts

    def _is_ready(self, program: Program) -> bool:
        if program.process.poll() is not None:
            raise AssertionError(f"the suite exited with {program.process.returncode}")
        return answers(f"{self.url}/readyz", self.http)

    def _addresses(self, services: Mapping[str, None], ports: Iterator[int]) -> dict[str, str]:
        env = {f"ALERTHISTORY_{name.upper()}_METRICS_LISTEN": f"127.0.0.1:{next(ports)}" for name in services}
        if self.form == "allinone":
            return env
        listen = {name: f"127.0.0.1:{next(ports)}" for name in services}
        env |= {f"ALERTHISTORY_{name.upper()}_GRPC_LISTEN": at for name, at in listen.items()}
        for caller in ("gateway", "ingest"):
            for callee in services:
                if callee not in ("gateway", caller):
                    env[f"ALERTHISTORY_{caller.upper()}_{callee.upper()}_TARGET"] = listen[callee]
        return env
