"""What PostgreSQL itself reaches: history's own statements without any service, and a COPY of the same rows.

Commits of new alerts are run once through history's store, which keeps their statements and parameters; then a tight
psycopg loop runs just these against another database, one transaction per commit. COPY loads the rows that the
INSERTs among them wrote into tables without an index.
"""

import json
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count, islice
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from sqlalchemy import URL, Engine, event

from alerthistory_common import migrate
from alerthistory_common.alerts import Fingerprint, Instant, Report
from alerthistory_common.arrays import EncodedArray
from alerthistory_common.clock import SystemClock
from alerthistory_common.database import open_database
from alerthistory_history.adapters import commit_sql
from alerthistory_history.adapters.partition_store import SqlPartitionStore
from alerthistory_history.adapters.quarantine_store import Limits
from alerthistory_history.adapters.record_store import SqlRecordStore
from alerthistory_history.adapters.tables import alerts, events, occurrences, work
from alerthistory_history.app import MIGRATIONS, SCHEMA
from alerthistory_history.domain.records import Submission
from alerthistory_history.domain.state import Policy
from tests.builders import report
from tests.load.posting import PLACE

PER_COMMIT = 400
"""Alerts in one commit: as many as a full batch of the services has."""

Statement = tuple[str, Any]
Commit = Sequence[Statement]

_WRITES = (
    (commit_sql.INSERT_ALERTS, alerts),
    (commit_sql.PUT_OCCURRENCES, occurrences),
    (commit_sql.INSERT_EVENTS, events),
    (commit_sql.INSERT_WORK, work),
)


async def prepare(url: URL) -> None:
    """Make history's tables, and the partitions of events, in the empty database at *url*."""
    migrate.upgrade(url, schema=SCHEMA, scripts=MIGRATIONS)
    async with open_database(url, schema=SCHEMA) as database:
        await SqlPartitionStore(database).prepare(SystemClock().now(), weeks_ahead=1)


async def commits(url: URL, numbers: "count[int]", how_many: int) -> Sequence[Commit]:
    """Return the statements of *how_many* commits of new alerts, which are stored in the database at *url*."""
    found: list[Commit] = []
    async with open_database(url, schema=SCHEMA) as database:
        store = SqlRecordStore(
            database,
            policy=Policy(),
            lease_duration=timedelta(seconds=30),
            quarantine_limits=Limits(max_rows=1, max_bytes=1),
        )
        for _ in range(how_many):
            now = SystemClock().now()
            reports = [_report(number, now) for number in islice(numbers, PER_COMMIT)]
            with _kept() as statements:
                await store.record([Submission(reports=reports, is_store_only=True)], now)
            found.append(statements)
    return found


def run(url: URL, work: Sequence[Commit]) -> float:
    """Return the alerts per second that a tight loop over one connection stores in the database at *url*."""
    with _connected(url) as connection:
        began = time.perf_counter()
        for commit in work:
            with connection.transaction():
                for statement, parameters in commit:
                    connection.execute(statement, parameters)
        return len(work) * PER_COMMIT / (time.perf_counter() - began)


def copy(url: URL, work: Sequence[Commit]) -> float:
    """Return the alerts per second whose rows COPY loads into tables without an index, a transaction per commit."""
    loads = [list(_rows(commit)) for commit in work]
    with _connected(url) as connection:
        for _, table in _WRITES:
            connection.execute(f"CREATE TABLE bare_{table.name} (LIKE {table.name})".encode())
        began = time.perf_counter()
        for load in loads:
            with connection.transaction(), connection.cursor() as cursor:
                for statement, rows in load:
                    with cursor.copy(statement) as target:
                        for row in rows:
                            target.write_row(row)
        rate = len(work) * PER_COMMIT / (time.perf_counter() - began)
        for _, table in _WRITES:
            connection.execute(f"DROP TABLE bare_{table.name}".encode())
        return rate


def _rows(commit: Commit) -> Iterator[tuple[bytes, list[tuple[Any, ...]]]]:
    for statement, parameters in commit:
        for write, table in _WRITES:
            if statement == write.text("postgresql"):
                columns = [column.name for column in table.c]
                arrays = [
                    [each.replace("[", "{").replace("]", "}") for each in array] if name == "label_hashes" else array
                    for name, array in zip(columns, parameters, strict=True)
                ]
                copied = f"COPY bare_{table.name} ({', '.join(columns)}) FROM STDIN"
                yield copied.encode(), list(zip(*arrays, strict=True))


def _report(number: int, now: Instant) -> Report:
    name = PLACE % number
    labels = {"alertname": "Load", "namespace": "shop", "pod": name, "severity": "warning"}
    return report(
        fingerprint=Fingerprint(name),
        alert_name="Load",
        starts_at=Instant(now.micros - 60_000_000),
        received_at=now,
        labels_json=json.dumps(labels, separators=(",", ":")).encode(),
        annotations_json=b'{"summary":"Load is up to something"}',
        generator_url="http://prometheus.example:9090/graph",
    )


@contextmanager
def _kept() -> Iterator[list[Statement]]:
    """Yield a list that gets all statements that SQLAlchemy runs meanwhile."""
    statements: list[Statement] = []

    def keep(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool) -> None:
        statements.append((statement, _plain(parameters)))

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", keep)


def _plain(parameters: Any) -> Any:
    """Return *parameters* with lists for encoded arrays: a loop without our services has psycopg's means."""
    if isinstance(parameters, Mapping):
        return {name: _decoded(value) for name, value in parameters.items()}
    return tuple(map(_decoded, parameters))


def _decoded(value: Any) -> Any:
    if not isinstance(value, EncodedArray):
        return value
    (oid,) = struct.unpack_from("!I", value, 8)
    element = psycopg.adapters.types[oid]
    return Transformer().get_loader(element.array_oid, pq.Format.BINARY).load(value)


def _connected(url: URL) -> psycopg.Connection[Any]:
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(dsn, autocommit=True, options=f"-c search_path={SCHEMA}")
