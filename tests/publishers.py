"""Publishers for tests: opened by their own composition root, served over real gRPC, over one store."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy import URL

from alerthistory.publisher.v1 import delivery_pb2, publisher_service_pb2, publisher_service_pb2_grpc
from alerthistory.publisher.v1 import filter_service_pb2_grpc as filters_grpc
from alerthistory.publisher.v1 import target_service_pb2_grpc as targets_grpc
from alerthistory_common import alert_codec, migrate
from alerthistory_common.alerts import AlertEvent, Instant, Verdict
from alerthistory_common.channels import open_channel
from alerthistory_common.clock import SystemClock
from alerthistory_common.component import Component
from alerthistory_common.metrics import new_registry
from alerthistory_common.process import Host
from alerthistory_common.server import serve
from alerthistory_common.settings import CommonSettings
from alerthistory_common.telemetry import Telemetry, disabled
from alerthistory_publisher.app import MIGRATIONS, SCHEMA, open_publisher
from alerthistory_publisher.settings import PublisherSettings

T = TypeVar("T")


class Watch:
    """A clock that runs with the machine's, and can be set forward."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> Instant:
        """Return the current moment."""
        return Instant(SystemClock().now().micros + self.ahead // timedelta(microseconds=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """One running publisher, seen by its callers."""

    component: Component
    registry: CollectorRegistry
    service: publisher_service_pb2_grpc.PublisherServiceStub
    targets: targets_grpc.TargetServiceStub
    filters: filters_grpc.FilterServiceStub

    async def publish(self, *events: AlertEvent, verdict: Verdict | None = None) -> list[list[str]]:
        """Return the targets told about each of *events*."""
        said = None if verdict is None else alert_codec.verdict_message(verdict)
        publications = [
            publisher_service_pb2.Publication(event=alert_codec.event_message(each), verdict=said) for each in events
        ]
        request = publisher_service_pb2.PublishAlertsRequest(publications=publications)
        response = await self.service.PublishAlerts(request, timeout=10)
        return [list(result.targets) for result in response.results]

    async def deliveries(self, **wanted: Any) -> list[delivery_pb2.Delivery]:
        """Return all deliveries that match, newest first."""
        request = publisher_service_pb2.ListDeliveriesRequest(
            filter=publisher_service_pb2.DeliveryFilter(**wanted), page_size=1000
        )
        return list((await self.service.ListDeliveries(request, timeout=10)).deliveries)

    async def delivered(self, count: int = 1) -> list[delivery_pb2.Delivery]:
        """Return the deliveries made, once there are *count*."""
        return await self.in_state(delivery_pb2.DELIVERY_STATE_DELIVERED, count)

    async def dead(self, count: int = 1) -> list[delivery_pb2.Delivery]:
        """Return the deliveries given up, once there are *count*."""
        return await self.in_state(delivery_pb2.DELIVERY_STATE_DEAD, count)

    async def in_state(self, state: delivery_pb2.DeliveryState.ValueType, count: int) -> list[delivery_pb2.Delivery]:
        """Return the deliveries in *state*, once there are *count*."""

        async def enough() -> list[delivery_pb2.Delivery] | None:
            found = await self.deliveries(state=state)
            return found if len(found) >= count else None

        return await eventually(enough, saying=f"{count} deliveries are in state {state}")

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric, 0 when it was never touched."""
        return self.registry.get_sample_value(name, labels) or 0.0


class Bench:
    """A migrated store and a targets file, on which publishers are opened."""

    def __init__(self, store: URL, folder: Path) -> None:
        self.watch = Watch()
        self.targets_file = folder / "targets.yaml"
        self._store = store
        self._folder = folder
        migrate.upgrade(store, schema=SCHEMA, scripts=MIGRATIONS)

    def configure(self, *targets: dict[str, Any]) -> None:
        """Write the targets file; every target is a webhook unless it says otherwise."""
        entries = [{"format": "webhook", **target} for target in targets]
        self.targets_file.write_text(yaml.safe_dump({"targets": entries}))

    @asynccontextmanager
    async def publisher(
        self, *, backoff: timedelta = timedelta(0), telemetry: Telemetry | None = None, **settings: Any
    ) -> AsyncIterator[Publisher]:
        """Yield a running publisher that waits *backoff* after each failure."""
        common = CommonSettings(data_dir=self._folder, drain_grace_s=2)
        host = Host(settings=common, registry=new_registry(), telemetry=telemetry or disabled())
        own = PublisherSettings(
            database_url=_text(self._store),
            targets_file=self.targets_file if self.targets_file.exists() else None,
            **{"allowed_networks": "127.0.0.0/8", "allow_http": True, **settings},
        )
        with tempfile.TemporaryDirectory(prefix="ah-", dir="/tmp") as folder:
            address = f"unix:{folder}/p.sock"
            async with (
                open_publisher(host, own, clock=self.watch, backoff=lambda _: backoff) as component,
                serve([component], address=address, settings=common, registry=host.registry, telemetry=host.telemetry),
                open_channel(address, host.telemetry) as channel,
            ):
                yield Publisher(
                    component=component,
                    registry=host.registry,
                    service=publisher_service_pb2_grpc.PublisherServiceStub(channel),
                    targets=targets_grpc.TargetServiceStub(channel),
                    filters=filters_grpc.FilterServiceStub(channel),
                )


async def eventually(what: Callable[[], Awaitable[T | None]], *, saying: str, within_s: float = 15.0) -> T:
    """Return the first truthy answer of *what*, asked again and again; fail when it takes too long."""
    deadline = time.monotonic() + within_s
    while True:
        if answer := await what():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{saying}: did not come true within {within_s} s")
        await asyncio.sleep(0.02)


def _text(url: URL) -> str:
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)
