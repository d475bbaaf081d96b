"""Partitions come while reports do."""

import asyncio

import psycopg
import pytest
from sqlalchemy import URL

from alerthistory_common.database import open_database
from alerthistory_history.adapters import partition_store
from alerthistory_history.app import SCHEMA
from tests.integration.history.harness import History, eventually, firing

_DAY_S = 86_400
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"


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

        await _one_waits(watching, "INSERT INTO events%")
        await other.execute("CREATE TABLE events_ahead (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        await other.execute(f"ALTER TABLE events ATTACH PARTITION events_ahead FOR VALUES FROM ({begin}) TO ({end})")
        await other.commit()
        answer = await recording

        assert [result.decision for result in answer.results] == ["fired"]
        cursor = await other.execute("SELECT count(*) FROM events_ahead WHERE kind = 'fired'")
        assert await cursor.fetchone() == (1,)


@pytest.mark.parametrize(("are_kept_out", "seen"), [(True, 1), (False, 0)])
async def test_a_reader_that_came_while_rows_move_sees_them(
    history: History, migrated_url: URL, monkeypatch: pytest.MonkeyPatch, are_kept_out: bool, seen: int
) -> None:
    if migrated_url.get_backend_name() == "sqlite":
        return
    monkeypatch.setattr(partition_store, "_LOCK_TIMEOUT", "SET LOCAL lock_timeout = '20s'")
    if not are_kept_out:  # The negative control: such a reader knows the partitions of before.
        monkeypatch.setattr(partition_store, "_keep_readers_out", _let_readers_in)
    history.clock.advance(400 * _DAY_S)
    await history.record(firing())
    dsn = migrated_url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with (
        await psycopg.AsyncConnection.connect(dsn, options="-c search_path=history") as holding,
        await psycopg.AsyncConnection.connect(dsn, options="-c search_path=history") as reader,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watching,
        open_database(migrated_url, schema=SCHEMA) as database,
    ):
        await holding.execute("LOCK TABLE events_default IN ACCESS SHARE MODE")
        partitions = partition_store.SqlPartitionStore(database)
        moving = asyncio.ensure_future(partitions.prepare(history.clock.now(), weeks_ahead=0))
        await _one_waits(watching, "LOCK TABLE %")
        reading = asyncio.ensure_future(reader.execute("SELECT count(*) FROM events WHERE kind = 'fired'"))
        await _one_waits(watching, "SELECT count(*) FROM events WHERE kind = 'fired'")
        await holding.commit()

        assert len(await moving) == 1
        assert await (await reading).fetchone() == (seen,)


async def _let_readers_in(_: object) -> None:
    """Lock nothing."""


async def _one_waits(watching: psycopg.AsyncConnection, statement: str) -> None:
    """Wait until one *statement*, a pattern of LIKE, waits for a lock."""

    async def is_waiting() -> bool:
        cursor = await watching.execute(_WAITING, (statement,))
        return await cursor.fetchone() == (1,)

    await eventually(is_waiting)
