"""Legacy PostgreSQL databases are read row by row, and only read."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from alerthistory_client.legacy.sources import open_source
from alerthistory_client.legacy.tables import LegacySourceError
from tests import legacy


@pytest.fixture
def url(postgres_url: URL) -> str:
    """Return the URL of a database with the sample in it."""
    legacy.load_postgresql(postgres_url)
    return postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def database(url: str) -> Iterator[psycopg.Connection]:
    """Return a connection to that database."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def alerts(url: str) -> list[tuple[int, Any]]:
    """Return of every row its id and its alert, or the problem with it."""
    with open_source(url) as source:
        return [
            (row.row_id, row.problem if row.content is None else json.loads(row.content.alert_json))
            for row in source.alert_tables[0].read()
        ]


def test_rows_come_in_the_order_in_which_they_were_updated(url: str, database: psycopg.Connection) -> None:
    ids = [row[0] for row in database.execute("SELECT id FROM alerts ORDER BY updated_at, id").fetchall()]

    assert [row_id for row_id, _ in alerts(url)] == ids


def test_the_year_1_comes_back_from_minus_infinity(url: str, database: psycopg.Connection) -> None:
    row = database.execute("SELECT id FROM alerts WHERE ends_at = '-infinity' LIMIT 1").fetchone()
    assert row is not None

    assert dict(alerts(url))[row[0]]["endsAt"] == "0001-01-01T00:00:00+00:00"


@pytest.mark.parametrize("column", ["starts_at", "ends_at", "updated_at"])
@pytest.mark.parametrize("time", ["infinity", "0044-03-15 BC", "10000-01-01"])
def test_times_that_cannot_be_shown_are_refused(url: str, database: psycopg.Connection, column: str, time: str) -> None:
    database.execute(f"UPDATE alerts SET {column} = %s WHERE id = (SELECT max(id) FROM alerts)", [time])

    problems = [content for _, content in alerts(url) if isinstance(content, str)]

    assert problems == [f"{column} is not within the years 1 to 9999"]


def test_times_do_not_depend_on_the_servers_settings(url: str, database: psycopg.Connection) -> None:
    expected = alerts(url)
    name = database.info.dbname
    database.execute(f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Kolkata'")
    database.execute(f"ALTER DATABASE \"{name}\" SET datestyle = 'German'")

    assert alerts(url) == expected


def test_numbers_keep_their_digits_and_missing_columns_are_left_out(url: str, database: psycopg.Connection) -> None:
    database.execute("DELETE FROM alerts")
    database.execute(
        "INSERT INTO alerts (fingerprint, alert_name, labels, annotations) VALUES"
        """ ('a', 'A', '{"alertname": "A", "n": 12345678901234567890.50}', 'null')"""
    )

    with open_source(url) as source:
        (row,) = source.alert_tables[0].read()

    assert row.content is not None
    assert b"12345678901234567890.50" in row.content.alert_json
    assert b"startsAt" not in row.content.alert_json
    assert b'"annotations":null' in row.content.alert_json


def test_the_last_verdict_of_each_alert_counts(url: str, database: psycopg.Connection) -> None:
    rows = database.execute(
        "SELECT alert_fingerprint, id FROM alert_classifications ORDER BY created_at, id"
    ).fetchall()

    with open_source(url) as source:
        (table,) = source.classification_tables
        count = table.count()
        found = {row.content.fingerprint: row.row_id for row in table.read() if row.content is not None}

    assert found == dict(rows)
    assert (count.rows, count.rows - count.superseded) == (120, len(found))


def test_nothing_can_be_written_while_reading(url: str, database: psycopg.Connection) -> None:
    database.execute("CREATE TABLE written (n int)")
    database.execute("ALTER TABLE alerts RENAME TO kept")
    database.execute(
        "CREATE FUNCTION write() RETURNS text LANGUAGE sql AS $$ INSERT INTO written VALUES (1) RETURNING 'x' $$"
    )
    database.execute(
        "CREATE VIEW alerts AS SELECT id, write() AS fingerprint, status, labels, annotations, starts_at,"
        " ends_at, generator_url, updated_at, alert_name FROM kept"
    )

    with pytest.raises(LegacySourceError, match="read-only transaction"):
        alerts(url)


def test_a_database_without_the_tables_is_named(postgres_url: URL) -> None:
    url = postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)

    with pytest.raises(LegacySourceError, match="holds no table alerts"), open_source(url):
        pass


def test_a_table_of_another_shape_is_named(url: str, database: psycopg.Connection) -> None:
    database.execute("ALTER TABLE alerts DROP COLUMN labels CASCADE")

    with pytest.raises(LegacySourceError, match='column "labels" does not exist'):
        alerts(url)


def test_a_database_that_is_away_is_named_without_the_password() -> None:
    with pytest.raises(LegacySourceError) as caught, open_source("postgresql://u:Connection@127.0.0.1:1/d"):
        pass

    assert str(caught.value).startswith("postgresql://u@127.0.0.1:1/d cannot be opened: ")
    assert "Connection" not in str(caught.value)
