"""Every migration of every service, up and down with rows in the tables; and one beside an older version's writer."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    Boolean,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    create_engine,
)
from sqlalchemy.types import String, TypeEngine

import alerthistory_classifier.app as classifier
import alerthistory_history.app as history
import alerthistory_publisher.app as publisher
from alerthistory_common import migrate
from alerthistory_common.settings import SettingsError

# Counters are SQLite's sequences, one row each: a version without a sequence has no row.
_NOT_OURS = {"schema_version", "counters"}
_SERVICES = {"history": history.MIGRATIONS, "classifier": classifier.MIGRATIONS, "publisher": publisher.MIGRATIONS}
Rows = Mapping[str, list[dict[str, Any]]]


# SQLite tells no expressions of indexes, and they are not compared.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
@pytest.mark.parametrize("service", _SERVICES)
def test_each_step_down_and_up_keeps_what_both_versions_hold(service: str, store_url: URL) -> None:
    scripts = _SERVICES[service]
    versions = _versions(scripts)
    for older, newer in pairwise(versions):
        migrate.upgrade(store_url, schema=service, scripts=scripts, to=newer)
        with _connected(store_url, service) as connection:
            _fill(connection)
            before = _rows(connection)
        assert any(before.values())

        migrate.upgrade(store_url, schema=service, scripts=scripts, to=older)
        with _connected(store_url, service) as connection:
            down = _rows(connection)
        migrate.upgrade(store_url, schema=service, scripts=scripts, to=newer)
        with _connected(store_url, service) as connection:
            again = _rows(connection)

        assert _common(before, down) == _common(down, before)
        assert _common(before, again, down) == _common(again, before, down)
        assert {name: set(rows[0]) for name, rows in again.items() if rows} == {
            name: set(rows[0]) for name, rows in before.items() if again.get(name)
        }


@pytest.mark.parametrize("service", _SERVICES)
def test_a_version_that_is_not_there_is_refused_with_those_that_are(service: str, store_url: URL) -> None:
    with pytest.raises(SettingsError, match=r"no version '9999'.*0001"):
        migrate.upgrade(store_url, schema=service, scripts=_SERVICES[service], to="9999")


def test_what_a_replica_of_the_older_version_writes_meanwhile_is_not_lost(postgres_url: URL) -> None:
    migrate.upgrade(postgres_url, schema="history", scripts=history.MIGRATIONS, to=_before("0006"))
    address = postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)
    stop, is_writing = threading.Event(), threading.Event()
    acknowledged: list[int] = []

    def write() -> None:
        with psycopg.connect(address, autocommit=True, options="-c search_path=history") as connection:
            while not stop.is_set():
                seq = len(acknowledged) + 1
                connection.execute(_INSERT, (seq, f"e{seq}", seq))
                acknowledged.append(seq)
                if seq == 100:
                    is_writing.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert is_writing.wait(30)
        migrate.upgrade(postgres_url, schema="history", scripts=history.MIGRATIONS, to="0006")
        after = len(acknowledged)
        migrate.upgrade(postgres_url, schema="history", scripts=history.MIGRATIONS, to=_before("0006"))
    finally:
        stop.set()
        writer.join()

    assert after >= 100
    with psycopg.connect(address, options="-c search_path=history") as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (len(acknowledged),)


_INSERT = (
    "INSERT INTO events (seq, txid, event_id, fp_hash, kind, episode, starts_us, annotations_json, occurred_us,"
    " received_us, sender, traceparent) VALUES (%s, 1, %s, '\\x00', 'fired', 1, 0, '{}', %s, 0, '', '')"
)


def _versions(scripts: Path) -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    return [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def _before(version: str) -> str:
    versions = _versions(history.MIGRATIONS)
    return versions[versions.index(version) - 1]


@contextmanager
def _connected(url: URL, schema: str) -> Iterator[Connection]:
    is_sqlite = url.get_backend_name() == "sqlite"
    arguments = {} if is_sqlite else {"options": f"-c search_path={schema}"}
    engine = create_engine(url.set(drivername="sqlite") if is_sqlite else url, connect_args=arguments)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [
        table for name, table in metadata.tables.items() if name not in _NOT_OURS and not name.startswith("events_")
    ]


def _fill(connection: Connection) -> None:
    """Put two rows into each table that is empty."""
    for table in _tables(connection):
        if connection.execute(table.select().limit(1)).first() is None:
            rows = [{c.name: _value(c.name, c.type, number) for c in table.columns} for number in (1, 2)]
            connection.execute(table.insert(), [{k: v for k, v in row.items() if v is not None} for row in rows])


def _value(name: str, kind: TypeEngine[Any], number: int) -> Any:
    if name.endswith("_json"):
        return "[]" if name == "holds_json" else "{}"
    match kind:
        case Boolean():
            return number == 1
        case Integer():
            return number
        case Float() | Numeric():
            return 0.5 * number
        case LargeBinary():
            return bytes([number]) * 32
        case Text() | String():
            return f"text {number}"
    return None


def _rows(connection: Connection) -> Rows:
    found = {}
    for table in _tables(connection):
        rows = [dict(row) for row in connection.execute(table.select()).mappings()]
        found[table.name] = sorted(rows, key=repr)
    return found


def _common(rows: Rows, *others: Rows) -> Rows:
    """Return *rows* in the tables and columns that all *others* have too; those that are empty there tell nothing."""
    kept = {}
    for name, listed in rows.items():
        if listed and all(other.get(name) for other in others):
            columns = set(listed[0]).intersection(*(other[name][0] for other in others))
            kept[name] = sorted(({c: row[c] for c in sorted(columns)} for row in listed), key=repr)
    return kept
