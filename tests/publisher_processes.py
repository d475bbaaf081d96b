"""Publishers as processes: started, killed, stopped and woken by tests, and called over gRPC from any thread."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
from sqlalchemy import URL

from alerthistory.publisher.v1 import delivery_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb
from alerthistory_common import alert_codec, migrate
from alerthistory_common.alerts import AlertEvent
from alerthistory_publisher.app import MIGRATIONS, SCHEMA
from tests.processes import Program, free_ports, script
from tests.replicas import Replica
from tests.suites import LOCAL_TARGETS

_SERVICE = "/alerthistory.publisher.v1.PublisherService/"
_PAGE = 1000
# Every change is told, however soon it comes after the one before, and as fast as can be.
_TARGET_KEYS = {"deduplication_window_s": 0, "rate_limits": []}


class PublisherProcess(Replica):
    """One publisher. *variant* names changes of its insides, see ``tests.chaos.variants``."""

    def __init__(self, number: int, folder: Path, env: dict[str, str], *, variant: str = "") -> None:
        super().__init__("publisher", number, folder, env)
        self.variant = variant
        self._channel: grpc.Channel | None = None

    def launch(self, *, crash_at: str = "") -> Program:
        """Return the started process, which may not be ready, and ends itself at the step *crash_at*."""
        env = {**self.env, "ALERTHISTORY_CRASH_AT": crash_at}
        self.program = Program(*_command(self.variant), env=env, log=self.log)
        return self.program

    def start(self, *, crash_at: str = "") -> None:
        """Start it, and wait until it serves; one that crashes may be gone by then."""
        self.launch(crash_at=crash_at)
        if not crash_at:
            self.wait_until_ready()

    def kill(self) -> None:
        """End it at once."""
        if self.program is not None:
            self.program.kill()

    def publish(self, events: Sequence[AlertEvent], *, timeout_s: float = 10.0) -> None:
        """Order the deliveries of *events*; raise grpc.RpcError when it is not known whether that was done."""
        publications = [publisher_pb.Publication(event=alert_codec.event_message(each)) for each in events]
        request = publisher_pb.PublishAlertsRequest(publications=publications)
        self._call("PublishAlerts", request, publisher_pb.PublishAlertsResponse, timeout_s=timeout_s)

    def deliveries(self, **wanted: Any) -> list[delivery_pb2.Delivery]:
        """Return all deliveries that match."""
        found: list[delivery_pb2.Delivery] = []
        request = publisher_pb.ListDeliveriesRequest(
            filter=publisher_pb.DeliveryFilter(**wanted), page_size=_PAGE, page_token=""
        )
        while True:
            answer = self._call("ListDeliveries", request, publisher_pb.ListDeliveriesResponse)
            found += answer.deliveries
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    def pending(self) -> int:
        """Return how many deliveries wait."""
        return len(self.deliveries(state=delivery_pb2.DELIVERY_STATE_PENDING))

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        text = httpx.get(self.metrics, trust_env=False).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    def _call(self, method: str, request: Any, answer: Any, *, timeout_s: float = 10.0) -> Any:
        if self._channel is None:
            options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300)]
            self._channel = grpc.insecure_channel(self.grpc, options=options)
        call = self._channel.unary_unary(
            _SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return call(request, timeout=timeout_s)

    def close(self) -> None:
        """End it, and the connection to it."""
        self.kill()
        if self._channel is not None:
            self._channel.close()


@contextmanager
def publishers(
    folder: Path,
    targets: Iterable[Mapping[str, Any]],
    *,
    count: int = 1,
    database: URL | None = None,
    variant: str = "",
    env: Mapping[str, str] | None = None,
) -> Iterator[list[PublisherProcess]]:
    """Yield *count* publishers, not yet started, over the migrated *database*, or over one SQLite file without it."""
    file = folder / "targets.yaml"
    file.write_text(json.dumps({"targets": [{**_TARGET_KEYS, **target} for target in targets]}))
    common = {
        "ALERTHISTORY_DATA_DIR": str(folder / "data"),
        "ALERTHISTORY_LOG_LEVEL": "warning",
        "ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(file),
        **LOCAL_TARGETS,
        **(env or {}),
    }
    if database is not None:
        common["ALERTHISTORY_DATABASE_URL"] = database.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
    data = folder / "data"
    data.mkdir()
    url = database or URL.create("sqlite+aiosqlite", database=str(data / f"{SCHEMA}.sqlite3"))
    migrate.upgrade(url, schema=SCHEMA, scripts=MIGRATIONS)
    ports = iter(free_ports(2 * count))
    made = [
        PublisherProcess(
            number,
            folder,
            {
                **common,
                "ALERTHISTORY_PUBLISHER_GRPC_LISTEN": f"127.0.0.1:{next(ports)}",
                "ALERTHISTORY_PUBLISHER_METRICS_LISTEN": f"127.0.0.1:{next(ports)}",
            },
            variant=variant,
        )
        for number in range(count)
    ]
    try:
        yield made
    finally:
        for publisher in made:
            publisher.close()


def _command(variant: str) -> list[str]:
    if variant:
        return [sys.executable, "-m", "tests.chaos.variants", variant]
    return [script("alerthistory-publisher")]
