"""The ingest service under test: the real composition root on a real server, between in-memory neighbours."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, generate_latest

from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from alerthistory.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from alerthistory_common.channels import open_channel
from alerthistory_common.component import Component
from alerthistory_common.process import Host
from alerthistory_common.server import serve
from alerthistory_common.settings import CommonSettings
from alerthistory_common.telemetry import Telemetry, disabled
from alerthistory_ingest.app import open_ingest
from alerthistory_ingest.settings import IngestSettings
from tests.fakes.services import FakeClassifier, FakeHistory, FakePublisher, FakeService, serving

TIMEOUT_S = 20.0


@dataclass
class House:
    """Ingest, and those around it."""

    folder: Path
    history: FakeHistory = field(default_factory=FakeHistory)
    classifier: FakeClassifier = field(default_factory=FakeClassifier)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    history_server: AsyncExitStack = field(default_factory=AsyncExitStack)
    ingest_process: AsyncExitStack = field(default_factory=AsyncExitStack)
    starting: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    _opened: list[tuple[Component, IngestServiceStub]] = field(default_factory=list)

    @property
    def stub(self) -> IngestServiceStub:
        """How ingest is called."""
        return self._opened[0][1]

    @property
    def component(self) -> Component:
        """What the composition root yields."""
        return self._opened[0][0]

    def open(self, component: Component, stub: IngestServiceStub) -> None:
        """Let ingest be spoken to."""
        self._opened.append((component, stub))

    async def stop_history(self) -> None:
        """End the server of history."""
        await self.history_server.aclose()

    async def ingest(self, *bodies: bytes | str | object, **fields: Any) -> pb.IngestWebhookResponse:
        """Return what becomes of *bodies*."""
        return await self.stub.IngestWebhook(
            pb.IngestWebhookRequest(payloads=[payload(body, **fields) for body in bodies]), timeout=TIMEOUT_S
        )

    @asynccontextmanager
    async def ingest_again(self) -> AsyncIterator[None]:
        """Let another process of ingest take the place of the one that runs."""
        await self.ingest_process.aclose()
        self.registry = CollectorRegistry()
        self._opened.clear()
        async with self.starting():
            yield

    def metric(self, line: str) -> float:
        """Return the value of the sample that is written *line*, 0 when there is none."""
        for each in generate_latest(self.registry).decode().splitlines():
            if each.startswith(f"{line} "):
                return float(each.rpartition(" ")[2])
        return 0.0


def payload(body: bytes | str | object, **fields: Any) -> pb.Payload:
    """Return a payload; *body* is written as JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return pb.Payload(**{"body": content, "format": pb.PAYLOAD_FORMAT_ALERTMANAGER, "sender": "peer", **fields})


def alert(name: str, *, is_firing: bool = True, **fields: Any) -> dict[str, Any]:
    """Return one alert of Alertmanager's webhook."""
    return {
        "status": "firing" if is_firing else "resolved",
        "labels": {"alertname": name},
        "annotations": {},
        "startsAt": "2026-01-02T03:04:05Z",
        "fingerprint": name,
        **fields,
    }


def webhook(alerts: Iterable[object], **fields: Any) -> dict[str, Any]:
    """Return the body of a webhook."""
    return {"version": "4", "alerts": list(alerts), **fields}


async def until(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait for *condition*; fail when it takes too long."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def open_house(
    *, grace_s: float = 2.0, telemetry: Telemetry | None = None, **settings: Any
) -> AsyncIterator[House]:
    """Yield a House; *settings* are those of ingest."""
    with tempfile.TemporaryDirectory(prefix="ih-", dir="/tmp") as folder:
        async with AsyncExitStack() as stack:
            house = House(Path(folder))
            await stack.enter_async_context(house.history_server)
            channels = {
                "history": await _neighbour(stack, house.history, house.folder, server=house.history_server),
                "classifier": await _neighbour(stack, house.classifier, house.folder, server=stack),
                "publisher": await _neighbour(stack, house.publisher, house.folder, server=stack),
            }
            house.starting = lambda: _open_ingest(house, telemetry or disabled(), grace_s, settings, **channels)
            await stack.enter_async_context(house.ingest_process)
            await house.ingest_process.enter_async_context(house.starting())
            yield house


async def _neighbour(
    channels: AsyncExitStack, servicer: FakeService, folder: Path, *, server: AsyncExitStack
) -> grpc.aio.Channel:
    target = await server.enter_async_context(serving(servicer, folder / f"{type(servicer).__name__}.sock"))
    return await channels.enter_async_context(open_channel(target, disabled()))


@asynccontextmanager
async def _open_ingest(
    house: House, telemetry: Telemetry, grace_s: float, settings: dict[str, Any], **channels: grpc.aio.Channel
) -> AsyncIterator[None]:
    common = CommonSettings(data_dir=house.folder, drain_grace_s=grace_s)
    host = Host(settings=common, registry=house.registry, telemetry=telemetry)
    address = f"unix:{house.folder}/ingest.sock"
    async with (
        open_ingest(host, IngestSettings(**{"poll_interval_s": 0.05, **settings}), **channels) as component,
        serve([component], address=address, settings=common, registry=CollectorRegistry(), telemetry=disabled()),
        open_channel(address, disabled()) as channel,
    ):
        house.open(component, IngestServiceStub(channel))
        yield
