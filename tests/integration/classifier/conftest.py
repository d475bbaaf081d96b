"""What the tests of the classifier share."""

import pytest
from sqlalchemy import URL

from alerthistory_classifier.app import MIGRATIONS, SCHEMA
from alerthistory_common import migrate


@pytest.fixture
def store(store_url: URL) -> URL:
    """Return the URL of a migrated store."""
    migrate.upgrade(store_url, schema=SCHEMA, scripts=MIGRATIONS)
    return store_url
