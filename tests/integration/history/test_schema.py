"""The migrations make the tables that the code reads, and start-up checks it."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine

from alerthistory_common.settings import SettingsError
from alerthistory_history.adapters.tables import METADATA
from tests.integration.history.harness import History, firing, migrate_store, running

_SQLITES_OWN = {"counters", "alert_labels", "ix_alert_labels_alert"}


# SQLite tells no expressions of indexes; PostgreSQL's run compares those.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection", "ignore:autogenerate skipping")
def test_the_migrated_tables_are_those_of_the_code(migrated_url: URL) -> None:
    is_sqlite = migrated_url.get_backend_name() == "sqlite"
    arguments = {} if is_sqlite else {"options": "-c search_path=history"}
    engine = create_engine(migrated_url.set(drivername="sqlite") if is_sqlite else migrated_url, connect_args=arguments)
    not_compared = {"schema_version"} | ({"ix_alerts_labels"} if is_sqlite else _SQLITES_OWN)

    def include(_: object, name: str | None, *rest: object) -> bool:
        is_partition = (name or "").startswith("events_")
        return name not in not_compared and not is_partition

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "include_object": include})
        differences = compare_metadata(context, METADATA)
    engine.dispose()

    assert differences == []


async def test_a_database_that_is_not_migrated_is_refused_with_advice(store_url: URL) -> None:
    with pytest.raises(SettingsError, match="alerthistory-history migrate"):
        async with running(store_url):
            pass


async def test_migrating_again_keeps_the_data(history: History, migrated_url: URL) -> None:
    await history.record(firing())
    migrate_store(migrated_url)

    assert await history.kinds() == ["fired"]


async def test_split_commits_still_bring_the_events_later(migrated_url: URL) -> None:
    async with running(migrated_url, test_split_commit=True) as history:
        answer = await history.record(firing(), lease_owner="a", lease_capacity=5)
        assert not answer.work
    async with running(migrated_url) as history:
        assert await history.kinds() == ["fired"]
        assert len(await history.lease()) == 1
