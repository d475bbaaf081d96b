"""Noticing that the database is the one in which the older service kept its history."""

from sqlalchemy import text

from alerthistory_common.database import Database

_TABLES = text(
    "SELECT to_regclass('public.alerts') IS NOT NULL AND to_regclass('public.alert_classifications') IS NOT NULL"
)


async def holds_older_service(database: Database) -> bool:
    """Whether the older service's tables are beside ours; they are never altered."""
    if database.dialect != "postgresql":
        return False
    return bool(await database.read(lambda connection: connection.scalar(_TABLES)))
