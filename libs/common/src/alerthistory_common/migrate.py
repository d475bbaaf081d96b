"""Migrations: applied by an explicit command, checked at start.

A service's migrations are an Alembic script folder in its package; its ``env.py`` calls ``run_environment``.
"""

from pathlib import Path
from typing import Any

import structlog
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from alerthistory_common.database import Database
from alerthistory_common.database_problems import problem_of, unsupported
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.postgresql import Pool, connect_arguments
from alerthistory_common.settings import SettingsError

_LOG = structlog.get_logger(__name__)
_LOCK = 0x616C657274  # "alert": two migrations of one database wait for each other.


def upgrade(url: URL, *, schema: str, scripts: Path) -> None:
    """Bring the database at *url* to the newest version. Safe to run again, and beside another one that runs.

    Raises StoreUnavailableError when it does not answer.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite:
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url.set(drivername="sqlite"), connect_args={"timeout": 30})
    else:
        engine = create_engine(url, poolclass=NullPool, connect_args=_connect_arguments(schema))
    try:
        with engine.begin() as connection:
            if not is_sqlite:
                if problem := unsupported(engine.dialect.server_version_info):
                    raise SettingsError([problem])
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            config = _config(scripts)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        problem = str(error.orig) if is_sqlite or _is_refusal(error) else problem_of(error, url)
        raise StoreUnavailableError(f"the {schema} database cannot be migrated: {problem}") from error
    finally:
        engine.dispose()
    _LOG.info("database is up to date", schema=schema, dialect=url.get_backend_name())


async def require_current(database: Database, *, scripts: Path, program: str) -> None:
    """Raise SettingsError, saying what to do, unless the database has the version that this code needs.

    Raises StoreUnavailableError, saying why, when it cannot be reached.
    """
    head = ScriptDirectory.from_config(_config(scripts)).get_current_head()
    try:
        found = await database.read(lambda connection: connection.run_sync(_current))
    except StoreUnavailableError as error:
        raise StoreUnavailableError(database.problem or error.message) from error
    if problem := unsupported(database.server_version):
        raise SettingsError([problem])
    if found != head:
        raise SettingsError(
            [f"the database has version {found or 'none'}, this program needs {head}: run `{program} migrate`"]
        )


def run_environment() -> None:
    """Run the migrations on the connection that ``upgrade`` opened."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, version_table="schema_version", transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def _connect_arguments(schema: str) -> dict[str, Any]:
    """Return how a migration connects: as services do, but its statements may take long."""
    return {**connect_arguments(schema, Pool()), "options": f"-c search_path={schema}", "connect_timeout": 5}


def _is_refusal(error: DBAPIError) -> bool:
    """Whether the server was reached and refused a statement."""
    return bool(getattr(error.orig, "sqlstate", None))


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": "schema_version"}).get_current_revision()


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    return config
