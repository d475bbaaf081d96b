"""How PostgreSQL finds what is due, by a plan that it made when nothing waited and keeps until statistics change."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import URL
from sqlalchemy.dialects import postgresql

from alerthistory_common import migrate
from alerthistory_common.alerts import Instant
from alerthistory_publisher.adapters.store import due, is_beginning, newest
from alerthistory_publisher.app import MIGRATIONS, SCHEMA
from alerthistory_publisher.ports import Room

WAITING = 5_000
SLOTS = 32
PAGES_PER_SLOT = 8

Connection = psycopg.Connection[tuple[str]]


@pytest.fixture
def connection(postgres_url: URL) -> Iterator[Connection]:
    """Return a connection to an empty store that has prepared the claim."""
    room = Room(target="ops", slots=SLOTS, leased_until=Instant(2 * WAITING))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped.
    claim = str(due(room, Instant(WAITING)).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    migrate.upgrade(postgres_url, schema=SCHEMA, scripts=MIGRATIONS)
    dsn = postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True, options=f"-c search_path={SCHEMA}") as connected:
        connected.execute(f"PREPARE claim AS {claim}".encode())
        connected.execute("EXECUTE claim")
        yield connected


def _fill(connection: Connection) -> None:
    """Let much wait, the latest of it first: what looks at all that came earlier is slowest then."""
    connection.execute(
        "INSERT INTO deliveries (event_id, target, fp_hash, fingerprint, alert_name, kind, content, state, attempts,"
        " ordered_at, give_up_at, due_at, last_result, last_status)"
        " SELECT n::text, 'ops', decode(md5(n::text), 'hex'), n::text, 'DiskFull', 'fired', '', 'pending', 0, n, n,"
        " %b - n, '', 0 FROM generate_series(1, %b) n",
        (WAITING, WAITING),
    )


def _pages_read(connection: Connection) -> int:
    """Return how many pages one claim looked at, by the first figure of its plan: that of everything below it."""
    plan = "\n".join(line for (line,) in connection.execute("EXPLAIN (ANALYZE, BUFFERS) EXECUTE claim"))
    found = re.search(r"shared hit=(\d+)", plan)
    assert found is not None, plan
    return int(found[1])


def test_a_claim_reads_no_more_than_it_takes(connection: Connection) -> None:
    _fill(connection)

    assert _pages_read(connection) < SLOTS * PAGES_PER_SLOT


def test_without_the_index_of_the_line_a_claim_is_found_out(connection: Connection) -> None:
    connection.execute("DROP INDEX deliveries_line, deliveries_by_alert")
    _fill(connection)

    assert _pages_read(connection) > SLOTS * PAGES_PER_SLOT


KEYS = 100
PAGES_PER_KEY = 6


def _prepare_newest(connection: Connection) -> None:
    """Prepare how beginnings are found, as the store does, with statistics from when there were three rows."""
    connection.execute("SET plan_cache_mode = force_custom_plan")
    _fill_delivered(connection, 3)
    connection.execute("ANALYZE deliveries")
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped.
    statement = newest([(b"h", "ops")], is_beginning).compile(
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    arrays = iter(("$1::bytea[]", "$2::text[]"))
    values = {name: next(arrays) if isinstance(each, list) else f"'{each}'" for name, each in statement.params.items()}
    text = re.sub(r"%\((\w+)\)s(::\w+(\[\])?)?", lambda found: values[found[1]], str(statement))
    connection.execute(f"PREPARE newest (bytea[], text[]) AS {text}".encode())
    _keys_found(connection)


def _fill_delivered(connection: Connection, count: int) -> None:
    connection.execute(
        "INSERT INTO deliveries (event_id, target, fp_hash, fingerprint, alert_name, kind, content, state, attempts,"
        " ordered_at, give_up_at, due_at, last_result, last_status)"
        " SELECT n::text, 'ops', decode(md5(n::text), 'hex'), n::text, 'DiskFull', 'fired', '', 'delivered', 0, n, n,"
        " n, '', 0 FROM generate_series(1, %b) n ON CONFLICT DO NOTHING",
        (count,),
    )


def _keys_found(connection: Connection) -> int:
    """Return how many pages were looked at to find the beginnings of some alerts."""
    hashes = ", ".join(f"decode(md5('{number}'), 'hex')" for number in range(1, KEYS + 1))
    targets = ", ".join(["'ops'"] * KEYS)
    asked = f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE newest (ARRAY[{hashes}], ARRAY[{targets}])"
    plan = "\n".join(line for (line,) in connection.execute(asked.encode()))
    found = re.search(r"shared hit=(\d+)", plan)
    assert found is not None, plan
    return int(found[1])


def test_beginnings_are_found_one_by_one_by_statistics_from_when_there_were_few(connection: Connection) -> None:
    _prepare_newest(connection)
    _fill_delivered(connection, 20 * WAITING)

    assert _keys_found(connection) < KEYS * PAGES_PER_KEY


def test_without_the_index_by_alert_the_beginnings_are_found_out(connection: Connection) -> None:
    _prepare_newest(connection)
    connection.execute("DROP INDEX deliveries_by_alert")
    _fill_delivered(connection, 20 * WAITING)

    assert _keys_found(connection) > KEYS * PAGES_PER_KEY
