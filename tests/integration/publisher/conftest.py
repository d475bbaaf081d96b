"""What the publisher's integration tests share: an opened publisher on a real store, and real receivers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.fakes.receiver import Receiver, receiver
from tests.publishers import Bench


@pytest.fixture
async def ops() -> AsyncIterator[Receiver]:
    """Return a receiver of alerts."""
    async with receiver() as running:
        yield running


@pytest.fixture
async def audit() -> AsyncIterator[Receiver]:
    """Return another receiver of alerts."""
    async with receiver() as running:
        yield running


@pytest.fixture
def bench(store_url: URL, tmp_path: Path) -> Bench:
    """Return a workplace on which publishers are opened, over one migrated store."""
    return Bench(store_url, tmp_path)
