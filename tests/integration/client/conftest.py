"""The services in memory, on a Unix socket."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.client.fake_services import FakeServices
from tests.processes import short_folder


@pytest.fixture
def address() -> Iterator[str]:
    """Return a gRPC address where nothing answers yet."""
    with short_folder() as folder:
        yield f"unix:{folder}/alerthistory.sock"


@pytest.fixture
def idle() -> FakeServices:
    """Return services that do not answer yet."""
    return FakeServices()


@pytest.fixture
async def services(idle: FakeServices, address: str) -> AsyncIterator[FakeServices]:
    """Return services that answer at the address."""
    async with idle.serving(address):
        yield idle
