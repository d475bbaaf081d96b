"""What databases do to us, and what becomes of it."""

import pytest
from sqlalchemy import URL, text

from alerthistory_common.database import open_database
from alerthistory_common.errors import StoreUnavailableError


async def test_a_server_that_turned_read_only_is_left(postgres_url: URL) -> None:
    async with open_database(postgres_url, schema="public") as database:
        await database.write(lambda connection: connection.execute(text("CREATE TABLE t (a int)")))
        read_only = text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        await database.write(lambda connection: connection.execute(read_only))
        insert = text("INSERT INTO t VALUES (1)")
        with pytest.raises(StoreUnavailableError):
            await database.write(lambda connection: connection.execute(insert))
        await database.write(lambda connection: connection.execute(insert))


async def test_a_database_that_takes_no_writes_is_not_available(postgres_url: URL) -> None:
    async with open_database(postgres_url, schema="public") as database:
        name = postgres_url.database
        forbid = text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await database.write(lambda connection: connection.execute(forbid))
    async with open_database(postgres_url, schema="public") as database:
        assert not await database.is_available()
