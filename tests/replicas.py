"""Every service as several processes over one PostgreSQL, as Kubernetes runs them."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import URL

from tests.processes import START_LIMIT_S, Program, free_ports, script, until
from tests.suites import LOCAL_TARGETS, SERVICES

# Those that are called come before those that call them.
STARTING_ORDER = ("history", "classifier", "publisher", "ingest", "gateway")


class Replica:
    """One process of one service, which can be started again and again."""

    def __init__(self, service: str, number: int, folder: Path, env: dict[str, str]) -> None:
        self.service = service
        self.name = f"{service}-{number}"
        self.env = env
        self.log = folder / f"{self.name}.log"
        self.program: Program | None = None

    @property
    def http_port(self) -> int:
        """The port on which a gateway serves HTTP."""
        return int(self.env["ALERTHISTORY_GATEWAY_PORT"])

    @property
    def grpc(self) -> str:
        """The address of the gRPC server."""
        return self.env[f"ALERTHISTORY_{self.service.upper()}_GRPC_LISTEN"]

    @property
    def metrics(self) -> str:
        """The URL of the metrics."""
        return f"http://{self.env[f'ALERTHISTORY_{self.service.upper()}_METRICS_LISTEN']}/metrics"

    def launch(self) -> Program:
        """Return the started process, which may not be ready."""
        self.program = Program(script(f"alerthistory-{self.service}"), env=self.env, log=self.log)
        return self.program

    def wait_until_ready(self) -> None:
        """Wait until the process says that it serves."""

        def is_serving() -> bool:
            assert self.program is not None
            if (code := self.program.process.poll()) is not None:
                raise AssertionError(f"{self.name} exited with {code}:\n{self.log.read_text()[-2000:]}")
            return bool(self.health() == health_pb2.HealthCheckResponse.SERVING)

        until(is_serving, within_s=START_LIMIT_S, saying=f"{self.name} is ready")

    def health(self) -> int | None:
        """Return what the process says about itself; None when it does not answer."""
        with suppress(grpc.RpcError), grpc.insecure_channel(self.grpc) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
            status: int = answer.status
            return status
        return None


class Replicas:
    """*count* replicas of each service, over *database*; *env* is what all are told besides."""

    def __init__(self, folder: Path, database: URL, *, count: int = 2, env: Mapping[str, str] | None = None) -> None:
        self._numbers = range(count)
        self._folder = folder
        ports = iter(free_ports((2 * len(SERVICES) + 1) * count))
        self._grpc = {service: [f"127.0.0.1:{next(ports)}" for _ in self._numbers] for service in SERVICES}
        self._common = {
            "ALERTHISTORY_LOG_LEVEL": "info",
            "ALERTHISTORY_DATABASE_URL": database.set(drivername="postgresql").render_as_string(hide_password=False),
            **LOCAL_TARGETS,
            **self._targets(),
            **(env or {}),
        }
        self.by_service = {
            service: [self._replica(service, number, ports) for number in self._numbers] for service in STARTING_ORDER
        }

    @property
    def all(self) -> list[Replica]:
        """All replicas, in an order in which they can be started."""
        return list(itertools.chain.from_iterable(self.by_service.values()))

    def target(self, service: str) -> str:
        """Return the gRPC name of all replicas of *service*."""
        return f"ipv4:{','.join(self._grpc[service])}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Migrate the database and run all replicas; what still runs at the end is killed."""
        migration = Program(script("alerthistory"), "migrate", env=self._common, log=self._folder / "migrate.log")
        assert migration.process.wait(START_LIMIT_S) == 0, migration.log.read_text()
        try:
            for replica in self.all:
                replica.launch()
            for replica in self.all:
                replica.wait_until_ready()
            yield
        finally:
            for replica in self.all:
                if replica.program is not None:
                    replica.program.kill()

    def _targets(self) -> dict[str, str]:
        return {
            f"ALERTHISTORY_{caller.upper()}_{callee.upper()}_TARGET": self.target(callee)
            for caller in ("gateway", "ingest")
            for callee in SERVICES
            if callee not in ("gateway", caller)
        }

    def _replica(self, service: str, number: int, ports: Iterator[int]) -> Replica:
        own = {
            f"ALERTHISTORY_{service.upper()}_GRPC_LISTEN": self._grpc[service][number],
            f"ALERTHISTORY_{service.upper()}_METRICS_LISTEN": f"127.0.0.1:{next(ports)}",
            "ALERTHISTORY_DATA_DIR": str(self._folder / f"{service}-{number}"),
        }
        if service == "gateway":
            own["ALERTHISTORY_GATEWAY_PORT"] = str(next(ports))
        return Replica(service, number, self._folder, {**self._common, **own})
