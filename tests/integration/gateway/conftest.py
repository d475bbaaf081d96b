"""A gateway that serves real HTTP over services in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from prometheus_client import CollectorRegistry

from alerthistory_common.channels import open_channel
from alerthistory_common.component import Component
from alerthistory_common.process import Host
from alerthistory_common.settings import CommonSettings
from alerthistory_common.telemetry import Telemetry, disabled
from alerthistory_gateway.app import open_gateway
from alerthistory_gateway.settings import GatewaySettings
from tests.fakes.fake_suite import FakeSuite
from tests.processes import free_ports, short_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway, a client of it, and the services behind it."""

    component: Component
    client: httpx.AsyncClient
    suite: FakeSuite
    port: int
    registry: CollectorRegistry


OpenGateway = Callable[..., AbstractAsyncContextManager[Gateway]]


@asynccontextmanager
async def _open(suite: FakeSuite, *, telemetry: Telemetry | None = None, **settings: object) -> AsyncIterator[Gateway]:
    telemetry = telemetry or disabled()
    own = GatewaySettings(**{"port": free_ports(1)[0], **settings})  # type: ignore[arg-type]
    registry = CollectorRegistry()
    host = Host(settings=CommonSettings(), registry=registry, telemetry=telemetry)
    async with AsyncExitStack() as stack:
        names = ("ingest", "history", "classifier", "publisher")
        channel = await stack.enter_async_context(open_channel(suite.address, telemetry))
        component = await stack.enter_async_context(open_gateway(host, own, **dict.fromkeys(names, channel)))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{own.port}", trust_env=False, timeout=15)
        )
        yield Gateway(component=component, client=client, suite=suite, port=own.port, registry=registry)


@pytest.fixture
async def idle_suite() -> AsyncIterator[FakeSuite]:
    """Return services that do not answer yet."""
    with short_folder() as folder:
        yield FakeSuite(f"unix:{folder}/s.sock")


@pytest.fixture
async def suite(idle_suite: FakeSuite) -> AsyncIterator[FakeSuite]:
    """Return services that answer."""
    async with idle_suite.running():
        yield idle_suite


@pytest.fixture
def opened() -> OpenGateway:
    """Return what opens a gateway over given services, with given settings."""
    return _open


@pytest.fixture
async def gateway(suite: FakeSuite) -> AsyncIterator[Gateway]:
    """Return a gateway with the usual settings."""
    async with _open(suite) as running:
        yield running
