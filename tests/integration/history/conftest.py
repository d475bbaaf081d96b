"""What the history's integration tests share: a replica on a real store."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import URL

from tests.integration.history.harness import History, migrate_store, running


@pytest.fixture
def migrated_url(store_url: URL) -> URL:
    """Return the URL of a migrated, empty database, on either store."""
    migrate_store(store_url)
    return store_url


@pytest.fixture
async def history(migrated_url: URL) -> AsyncIterator[History]:
    """Return a replica on an empty store; its clock stands at NOON."""
    async with running(migrated_url) as replica:
        yield replica
