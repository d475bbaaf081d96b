"""Migrations, applied by an explicit command; ``schema_version`` checks at start that they were.

A service's migrations are an Alembic script folder in its package; its ``env.py`` calls ``run_environment``.
"""

from pathlib import Path
from time import sleep
from typing import Any

import structlog
from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from alerthistory_common.database_problems import problem_of, unsupported
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.postgresql import Pool, connect_arguments
from alerthistory_common.schema_version import TABLE, current
from alerthistory_common.settings import SettingsError

_LOG = structlog.get_logger(__name__)
_INCREMENTAL = 2
_LOCK_TRIES = 60
_LOCK_MS = 1000
_LOCK_PAUSE_S = 1.0
_LOCK = 0x616C657274  # "alert": two migrations of one database wait for each other.


def upgrade(url: URL, *, schema: str, scripts: Path, to: str | None = None) -> None:
    """Bring the database at *url* to the newest version, or to *to*, up or down.

    Safe to run again, and beside another one that runs. A way down keeps what the older version can hold; what it loses
    is told in the migration. Raises StoreUnavailableError when the database does not answer, SettingsError when there
    is no version *to*.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite:
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = _sqlite_engine(url)
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
            _move(connection, config, to)
        if is_sqlite:
            _give_space_back(engine)
    except DBAPIError as error:
        problem = str(error.orig) if is_sqlite or _is_refusal(error) else problem_of(error, url)
        raise StoreUnavailableError(f"the {schema} database cannot be migrated: {problem}") from error
    finally:
        engine.dispose()
    _LOG.info("database is up to date", schema=schema, dialect=url.get_backend_name(), version=to or "newest")


def run_environment() -> None:
    """Run the migrations on the connection that ``upgrade`` opened."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, version_table=TABLE, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def _connect_arguments(schema: str) -> dict[str, Any]:
    """Return how a migration connects: as services do, but its statements may take long."""
    return {**connect_arguments(schema, Pool()), "options": f"-c search_path={schema}", "connect_timeout": 5}


def _is_refusal(error: DBAPIError) -> bool:
    """Whether the server was reached and refused a statement."""
    return bool(getattr(error.orig, "sqlstate", None))


def _move(connection: Connection, config: Config, to: str | None) -> None:
    versions = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    if to is not None and to not in versions:
        raise SettingsError([f"there is no version {to!r}: choose one of {', '.join(versions)}"])
    found = current(connection)
    if to is None or found is None or found not in versions or versions.index(to) >= versions.index(found):
        command.upgrade(config, to or "head")
        return
    _LOG.warning("going back to an older version: what it cannot hold is lost", now=found, then=to)
    command.downgrade(config, to)


def lock_table(connection: Connection, table: str) -> None:
    """Keep everybody else out of *table* until the migration ends; PostgreSQL only.

    Whoever waits for a lock holds up all that come after, so each try is short. Raises OperationalError when the table
    is in use for minutes.
    """
    for attempt in range(_LOCK_TRIES):
        try:
            with connection.begin_nested():
                connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_MS}ms'"))
                connection.execute(text(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE'))
        except OperationalError:
            if attempt == _LOCK_TRIES - 1:
                raise
            sleep(_LOCK_PAUSE_S)
        else:
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            return


def _give_space_back(engine: Engine) -> None:
    """Let the file shrink when rows are deleted. An old file is rewritten for it, once."""
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        if cursor.execute("PRAGMA auto_vacuum").fetchone() != (_INCREMENTAL,):
            cursor.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            cursor.execute("VACUUM")
    finally:
        raw.close()


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url.set(drivername="sqlite"), connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        # The driver would begin no transaction before the first INSERT: half a migration could stay.
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    return config
