"""What commits do to the tables and their indexes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, select, text

from alerthistory_history.adapters.dialects import dialect_named
from alerthistory_history.adapters.labels import label_hash
from alerthistory_history.adapters.tables import alerts
from alerthistory_history.app import MIGRATIONS
from tests.integration.history.harness import History, eventually, firing, migrate_store, running

_UPDATES = "SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_user_tables WHERE relname = ANY(%s)"
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO alerts%'"


@pytest.fixture
async def on_postgresql(postgres_url: URL) -> AsyncIterator[History]:
    """Return a replica on PostgreSQL."""
    migrate_store(postgres_url)
    async with running(postgres_url) as replica:
        yield replica


@pytest.fixture
def engine(store_url: URL) -> Iterator[Engine]:
    """Return a way to either database past the service."""
    is_sqlite = store_url.get_backend_name() == "sqlite"
    arguments = {} if is_sqlite else {"options": "-c search_path=history"}
    opened = create_engine(store_url.set(drivername="sqlite") if is_sqlite else store_url, connect_args=arguments)
    yield opened
    opened.dispose()


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _with_label(connection: Connection, name: str, value: str) -> list[str]:
    """Return the alerts that the index of labels knows under a label."""
    found = dialect_named(connection.dialect.name).has_labels([label_hash(name, value)])
    return list(connection.execute(select(alerts.c.fingerprint).where(found)).scalars())


async def _share_in_place(history: History, url: URL) -> float:
    """Return the share of updates in place among those that 20 repeats of one report make."""
    await history.record(firing())
    async with await psycopg.AsyncConnection.connect(_dsn(url), autocommit=True) as watching:

        async def figures() -> tuple[int, int]:
            cursor = await watching.execute(_UPDATES, (["alerts", "occurrences"],))
            return await cursor.fetchone() or (0, 0)

        async def told() -> tuple[int, int] | tuple[()]:
            now = await figures()
            return now if now[0] - before[0] >= 40 else ()

        before = await figures()
        for second in range(1, 21):
            await history.record(firing(received_s=second))
        await eventually(told)
        after = await figures()
    return (after[1] - before[1]) / (after[0] - before[0])


async def test_a_repeated_report_is_written_in_place(on_postgresql: History, postgres_url: URL) -> None:
    assert await _share_in_place(on_postgresql, postgres_url) == 1.0


async def test_an_index_on_what_repeats_change_would_prevent_that(on_postgresql: History, postgres_url: URL) -> None:
    async with await psycopg.AsyncConnection.connect(_dsn(postgres_url), autocommit=True) as other:
        await other.execute("CREATE INDEX ix_wrong ON history.alerts (last_seen_us)")

    assert await _share_in_place(on_postgresql, postgres_url) <= 0.5


async def test_who_makes_an_alert_second_folds_upon_the_first(on_postgresql: History, postgres_url: URL) -> None:
    await on_postgresql.record(firing("model"))
    async with (
        await psycopg.AsyncConnection.connect(_dsn(postgres_url), options="-c search_path=history") as other,
        # Inside of a transaction, PostgreSQL shows the activity of its beginning.
        await psycopg.AsyncConnection.connect(_dsn(postgres_url), autocommit=True) as watching,
    ):

        async def is_waiting() -> bool:
            return await (await watching.execute(_WAITING)).fetchone() == (1,)

        await other.execute("CREATE TEMP TABLE copy AS SELECT * FROM alerts")
        await other.execute("UPDATE copy SET fingerprint = 'new', fp_hash = sha256('new')")
        await other.execute("INSERT INTO alerts SELECT * FROM copy")
        recording = asyncio.ensure_future(on_postgresql.decisions(firing("new")))
        await eventually(is_waiting)
        await other.commit()

        assert await recording == ["repeated"]


async def test_alerts_are_found_by_the_labels_they_have_now(store_url: URL, engine: Engine) -> None:
    migrate_store(store_url)
    async with running(store_url) as history:
        await history.record(
            firing("a", labels_json=b'{"pod":"x","zone":"1"}'), firing("b", labels_json=b'{"pod":"y"}')
        )
        with engine.connect() as connection:
            assert _with_label(connection, "pod", "x") == ["a"]

        await history.record(firing("a", received_s=1, labels_json=b'{"pod":"y"}'))

    with engine.connect() as connection:
        assert _with_label(connection, "pod", "x") == []
        assert _with_label(connection, "zone", "1") == []
        assert sorted(_with_label(connection, "pod", "y")) == ["a", "b"]


async def test_alerts_of_the_version_before_are_kept_and_found_by_label(store_url: URL, engine: Engine) -> None:
    migrate_store(store_url)
    async with running(store_url) as history:
        await history.record(
            firing("a", received_s=7, labels_json=b'{"n":1,"pod":"x"}'), firing("b", labels_json=b"[1]")
        )
    with engine.connect() as connection:
        before = connection.execute(text("SELECT * FROM alerts ORDER BY fp_hash")).all()

    _move(engine, command.downgrade, "0004")
    _move(engine, command.upgrade, "0005")

    with engine.connect() as connection:
        columns = ", ".join(column.name for column in alerts.c)
        after = connection.execute(text(f"SELECT {columns} FROM alerts ORDER BY fp_hash")).all()
        assert [row._asdict() for row in after] == [row._asdict() for row in before]
        assert _with_label(connection, "pod", "x") == ["a"]


def _move(engine: Engine, step: Callable[[Config, str], None], version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        step(config, version)
