"""Which migrations a database has seen. Services look before they start, and do without Alembic for that."""

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from alerthistory_common.database import Database
from alerthistory_common.database_problems import unsupported
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.settings import SettingsError

TABLE = "schema_version"

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


def newest(scripts: Path) -> str:
    """Return the newest version among the Alembic *scripts*, whose files begin with their versions."""
    return max(script.name.partition("_")[0] for script in (scripts / "versions").glob("[0-9]*_*.py"))


def current(connection: Connection) -> str | None:
    """Return the version of the database, None when it was never migrated."""
    if not inspect(connection).has_table(TABLE):
        return None
    return connection.scalar(select(_version.c.version_num))
