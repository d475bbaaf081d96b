"""Partitions come while reports do."""

import asyncio

import psycopg
from sqlalchemy import URL

from tests.integration.history.harness import History, eventually, firing

_DAY_S = 86_400
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO events%'"


async def test_an_event_on_its_way_into_the_default_partition_finds_its_own(
    history: History, migrated_url: URL
) -> None:
    if migrated_url.get_backend_name() == "sqlite":
        return
    # Farther ahead than partitions are made.
    history.clock.advance(400 * _DAY_S)
    begin, end = history.clock.micros - _DAY_S, history.clock.micros + 100 * _DAY_S
    dsn = migrated_url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with (
        await psycopg.AsyncConnection.connect(dsn, options="-c search_path=history") as other,
        # Inside of a transaction, PostgreSQL shows the activity of its beginning.
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watching,
    ):
        await other.execute("LOCK TABLE events_default IN ACCESS EXCLUSIVE MODE")
        recording = asyncio.ensure_future(history.record(firing()))

        async def is_waiting() -> bool:
            cursor = await watching.execute(_WAITING)
            return await cursor.fetchone() == (1,)

        await eventually(is_waiting)
        await other.execute("CREATE TABLE events_ahead (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        await other.execute(f"ALTER TABLE events ATTACH PARTITION events_ahead FOR VALUES FROM ({begin}) TO ({end})")
        await other.commit()
        answer = await recording

        assert [result.decision for result in answer.results] == ["fired"]
        cursor = await other.execute("SELECT count(*) FROM events_ahead")
        assert await cursor.fetchone() == (1,)
