"""Which migrations a database has seen. Services look before they start, and do without Alembic for that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from alerthistory_common.database import Database
from alerthistory_common.database_problems import is_passing, unsupported
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.settings import SettingsError

TABLE = "schema_version"
_LOOK_EVERY_S = 1.0
_LOG = structlog.get_logger(__name__)

# Alembic makes it.
_version = Table(TABLE, MetaData(), Column("version_num", String))


async def require_current(database: Database, *, scripts: Path, program: str) -> None:
    """Raise SettingsError, saying what to do, unless the database has the version that this code needs.

    Raises StoreUnavailableError, saying why, when it cannot be reached.
    """
    needed = newest(scripts)
    try:
        found = await database.read(lambda connection: connection.run_sync(current))
    except StoreUnavailableError as error:
        raise StoreUnavailableError(database.problem or error.message) from error
    if problem := unsupported(database.server_version):
        raise SettingsError([problem])
    if found != needed:
        raise SettingsError(
            [f"the database has version {found or 'none'}, this program needs {needed}: run `{program} migrate`"]
        )


@asynccontextmanager
async def current_schema(database: Database, *, scripts: Path, program: str) -> AsyncIterator[None]:
    """Run the block with a database of the needed version: looked at now or, while it is away, once it is there.

    Raises SettingsError when it has another version, and StoreUnavailableError when it can never be reached like this.
    """
    try:
        await require_current(database, scripts=scripts, program=program)
    except StoreUnavailableError as error:
        if not is_passing(error.message):
            raise
        _LOG.warning("starting without the database", problem=error.message)
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(_look_again(database, scripts=scripts, program=program))
            yield
            looking.cancel()
    else:
        yield


async def _look_again(database: Database, *, scripts: Path, program: str) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        with suppress(StoreUnavailableError):
            return await require_current(database, scripts=scripts, program=program)


def newest(scripts: Path) -> str:
    """Return the newest version among the Alembic *scripts*, whose files begin with their versions."""
    return max(script.name.partition("_")[0] for script in (scripts / "versions").glob("[0-9]*_*.py"))


def current(connection: Connection) -> str | None:
    """Return the version of the database, None when it was never migrated."""
    if not inspect(connection).has_table(TABLE):
        return None
    return connection.scalar(select(_version.c.version_num))
