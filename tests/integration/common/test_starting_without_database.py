"""A program starts while its database is away, and looks at the version of the schema once it is there."""

import asyncio

import pytest
from sqlalchemy import make_url

from alerthistory_common import schema_version
from alerthistory_common.database import open_database
from alerthistory_common.database_problems import is_passing, problem_of
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.migrate import upgrade
from alerthistory_common.postgresql import Pool
from alerthistory_common.schema_version import current_schema
from alerthistory_common.settings import SettingsError
from alerthistory_history.app import MIGRATIONS, SCHEMA
from tests.chaos.crashing_postgres import CrashingPostgres, crashing_postgres

_PROGRAM = "alerthistory-history"
_SAID = (
    ("FATAL:  the database system is starting up", True),
    ("FATAL:  the database system is in recovery mode", True),
    ("FATAL:  the database system is shutting down", True),
    ("connection refused", True),
    ('FATAL:  password authentication failed for user "x"', False),
    ('FATAL:  database "x" does not exist', False),
)


@pytest.mark.parametrize(("said", "passes"), _SAID)
def test_an_absence_passes_and_a_wrong_setting_does_not(said: str, passes: bool) -> None:
    problem = problem_of(ConnectionError(said), make_url("postgresql://x@h/x"))
    assert is_passing(problem) == passes


async def test_a_start_waits_for_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_version, "_LOOK_EVERY_S", 0.1)
    with crashing_postgres() as server:
        await asyncio.to_thread(upgrade, server.url, schema=SCHEMA, scripts=MIGRATIONS)
        server.crash()
        async with (
            open_database(server.url, schema=SCHEMA, pool=Pool(min_size=0)) as database,
            current_schema(database, scripts=MIGRATIONS, program=_PROGRAM),
        ):
            assert not await database.is_available()
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                while not await database.is_available():
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)  # It was looked at meanwhile, and nothing was found wrong.


async def test_a_database_of_another_version_ends_the_program_once_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_version, "_LOOK_EVERY_S", 0.1)
    with crashing_postgres() as server:
        server.crash()
        with pytest.raises(ExceptionGroup) as found:
            await _run_until_told(server)
        assert found.group_contains(SettingsError, match="run `alerthistory-history migrate`")


async def _run_until_told(server: CrashingPostgres) -> None:
    async with (
        asyncio.timeout(20),
        open_database(server.url, schema=SCHEMA, pool=Pool(min_size=0)) as database,
        current_schema(database, scripts=MIGRATIONS, program=_PROGRAM),
    ):
        await asyncio.to_thread(server.start)
        await asyncio.Event().wait()


async def test_a_wrong_setting_is_told_at_once() -> None:
    with crashing_postgres() as server:
        async with open_database(server.url.set(database="missing"), schema=SCHEMA, pool=Pool(min_size=0)) as database:
            with pytest.raises(StoreUnavailableError, match="has no database 'missing'"):
                async with current_schema(database, scripts=MIGRATIONS, program=_PROGRAM):
                    raise AssertionError("it began")
