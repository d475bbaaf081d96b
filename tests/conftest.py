"""What every test shares: databases, and hypothesis profiles (chosen by the variable HYPOTHESIS_PROFILE)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import URL

from tests.databases import new_database, postgres_server

settings.register_profile("default", deadline=None, derandomize=False, max_examples=300, stateful_step_count=40)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """Return the URL of a running PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres: URL) -> Iterator[URL]:
    """Return the URL of an empty PostgreSQL database."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """Return the URL of an empty database, on either store."""
    if request.param == "sqlite":
        return URL.create("sqlite+aiosqlite", database=str(tmp_path / "store.sqlite3"))
    url: URL = request.getfixturevalue("postgres_url")
    return url
