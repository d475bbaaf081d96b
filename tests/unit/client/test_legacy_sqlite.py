"""Legacy SQLite files are read row by row, and never touched."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alerthistory_client.legacy.sources import open_source
from alerthistory_client.legacy.tables import LegacySourceError
from tests import legacy

V1_TABLE = (
    "CREATE TABLE alert_history (id INTEGER PRIMARY KEY AUTOINCREMENT, alertname TEXT, fingerprint TEXT, status TEXT,"
    " labels TEXT, startsAt TEXT, endsAt TEXT, updatedAt TEXT, raw_json TEXT, namespace TEXT)"
)
V2_TABLES = (
    "CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint TEXT NOT NULL, alertname TEXT NOT NULL,"
    " status TEXT NOT NULL, labels TEXT NOT NULL, annotations TEXT NOT NULL, starts_at TEXT NOT NULL, ends_at TEXT,"
    " generator_url TEXT, received_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE(fingerprint, starts_at))",
    "CREATE TABLE alert_classifications (id INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint TEXT NOT NULL, severity TEXT"
    " NOT NULL, confidence REAL NOT NULL, reasoning TEXT NOT NULL, recommendations TEXT NOT NULL, processing_time REAL"
    " NOT NULL, metadata TEXT, created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE(fingerprint))",
)
START = "2025-10-28T00:00:00Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a file that is not there yet, in a folder of its own."""
    folder = tmp_path / "older #1?"
    folder.mkdir()
    return folder / "alert_history.sqlite3"


@pytest.fixture
def v1(file: Path) -> Iterator[sqlite3.Connection]:
    """Return an open database of the first generation."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute(V1_TABLE)
        yield database


@pytest.fixture
def v2(file: Path) -> Iterator[sqlite3.Connection]:
    """Return an open database of the second generation."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for table in V2_TABLES:
            database.execute(table)
        yield database


def add_event(database: sqlite3.Connection, **columns: Any) -> None:
    """Add a row of the first generation; *raw_json* may be any value."""
    row = {"fingerprint": "a1", "status": "firing", "labels": '{"alertname": "A"}', "startsAt": START}
    row |= {"updatedAt": "2026-11-23T14:34:20.635255", "raw_json": "{}", **columns}
    database.execute(
        f"INSERT INTO alert_history ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
    )


def add_alert(database: sqlite3.Connection, **columns: Any) -> None:
    """Add a row of the second generation."""
    row = {"fingerprint": "a1", "alertname": "A", "status": "firing", "labels": "{}", "annotations": "{}"}
    row |= {"starts_at": START, **columns}
    database.execute(f"INSERT INTO alerts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()])


def alerts(path: Path) -> list[tuple[int, Any]]:
    """Return of every row its id and its alert, or the problem with it."""
    with open_source(str(path)) as source:
        return [
            (row.row_id, row.problem if row.content is None else json.loads(row.content.alert_json))
            for table in source.alert_tables
            for row in table.read()
        ]


def test_of_the_first_generation_the_last_event_of_each_start_counts(v1: sqlite3.Connection, file: Path) -> None:
    for number, (fingerprint, start) in enumerate([("a", START), ("b", START), ("a", START), ("a", None), ("a", None)]):
        add_event(v1, fingerprint=fingerprint, startsAt=start, raw_json=json.dumps({"n": number}))

    assert alerts(file) == [(2, {"n": 1}), (3, {"n": 2}), (5, {"n": 4})]


def test_many_events_are_read_in_pages_in_their_order(v1: sqlite3.Connection, file: Path) -> None:
    v1.execute("BEGIN")
    for number in range(1000):
        add_event(v1, fingerprint=str(number % 700), raw_json=json.dumps({"n": number}))
    v1.execute("COMMIT")

    assert [content["n"] for _, content in alerts(file)] == [*range(300, 1000)]


@pytest.mark.parametrize("raw", [None, "", "{", "[]", b"\xff", "null"])
def test_without_a_usable_original_the_columns_are_taken(v1: sqlite3.Connection, file: Path, raw: Any) -> None:
    add_event(v1, raw_json=raw, endsAt="0001-01-01T00:00:00Z")

    assert alerts(file) == [
        (
            1,
            {
                "fingerprint": "a1",
                "status": "firing",
                "labels": {"alertname": "A"},
                "startsAt": START,
                "endsAt": "0001-01-01T00:00:00Z",
            },
        )
    ]


def test_a_link_in_place_of_a_fingerprint_is_a_link(v1: sqlite3.Connection, file: Path) -> None:
    add_event(v1, raw_json=None, fingerprint="http://prometheus/graph", status=None)

    ((_, alert),) = alerts(file)

    assert alert["generatorURL"] == "http://prometheus/graph"
    assert "fingerprint" not in alert
    assert "status" not in alert


def test_rows_that_cannot_be_used_spoil_no_others(v2: sqlite3.Connection, file: Path) -> None:
    add_alert(v2, fingerprint="good")
    add_alert(v2, fingerprint="json", labels="{")
    add_alert(v2, fingerprint=b"\xff\xfe")
    add_alert(v2, fingerprint="time", received_at="yesterday")
    add_alert(v2, fingerprint="blob", annotations=b"\x00\xff")
    add_alert(v2, fingerprint=7, generator_url=1.5)

    found = alerts(file)

    assert [content if isinstance(content, str) else content["fingerprint"] for _, content in found] == [
        "good",
        "labels is not JSON",
        "fingerprint is not UTF-8",
        "received_at is not a time",
        "annotations is not UTF-8",
        "7",
    ]
    assert [row_id for row_id, _ in found] == [1, 2, 3, 4, 5, 6]


def test_a_file_that_saw_both_generations_gives_the_older_one_first(v2: sqlite3.Connection, file: Path) -> None:
    v2.execute(V1_TABLE)
    add_alert(v2, fingerprint="second")
    add_event(v2, raw_json=json.dumps({"fingerprint": "first"}))

    with open_source(str(file)) as source:
        assert source.kind == "SQLite, first and second generation"
    assert [alert["fingerprint"] for _, alert in alerts(file)] == ["first", "second"]


def test_classifications_learn_the_name_of_their_alert(v2: sqlite3.Connection, file: Path) -> None:
    add_alert(v2, alertname="Old", starts_at="1")
    add_alert(v2, alertname="New", starts_at="2")
    for fingerprint in ("a1", "unknown-3"):
        v2.execute(
            "INSERT INTO alert_classifications (fingerprint, severity, confidence, reasoning, recommendations,"
            " processing_time) VALUES (?, 'info', 0.5, 'so', '[]', 0)",
            [fingerprint],
        )

    with open_source(str(file)) as source:
        found = [row.content for table in source.classification_tables for row in table.read()]

    assert [(each.fingerprint, each.alert_name) for each in found if each] == [("a1", "New"), ("unknown-3", "")]


def test_the_samples_are_counted() -> None:
    with open_source(str(legacy.V1)) as first, open_source(f"sqlite:///{legacy.V2}") as second:
        tables = (*first.alert_tables, *second.alert_tables, *second.classification_tables)
        counts = {table.name: table.count() for table in tables}

    assert {name: (count.rows, count.superseded) for name, count in counts.items()} == {
        "alert_history": (325, 3),
        "alerts": (324, 0),
        "alert_classifications": (28, 0),
    }


def test_a_file_with_a_write_ahead_log_is_read_with_it_and_left_alone(v2: sqlite3.Connection, file: Path) -> None:
    v2.execute("PRAGMA journal_mode=WAL")
    v2.execute("PRAGMA wal_autocheckpoint=0")
    add_alert(v2, fingerprint="in the log")
    wal = file.with_name(f"{file.name}-wal")
    before = legacy.marks(file), legacy.marks(wal)

    assert [alert["fingerprint"] for _, alert in alerts(file)] == ["in the log"]
    assert (legacy.marks(file), legacy.marks(wal)) == before


def test_a_closed_file_with_a_write_ahead_log_gets_no_neighbours(v2: sqlite3.Connection, file: Path) -> None:
    v2.execute("PRAGMA journal_mode=WAL")
    add_alert(v2)
    v2.close()
    before = legacy.marks(file)
    assert before[2] == [file.name]

    with open_source(str(file)) as source:
        assert len(list(source.alert_tables[0].read())) == 1
        assert legacy.marks(file) == before
    assert legacy.marks(file) == before


def test_what_a_dead_writer_left_half_done_is_undone_in_a_copy(v2: sqlite3.Connection, file: Path) -> None:
    add_alert(v2, fingerprint="whole")
    v2.execute("PRAGMA cache_size=1")
    v2.execute("BEGIN")
    for number in range(200):
        add_alert(v2, fingerprint=f"half {number}", labels=json.dumps({"a": "x" * 5000}))
    dead = file.with_name("dead.sqlite3")
    journal = file.with_name(f"{file.name}-journal")
    dead.write_bytes(file.read_bytes())
    dead.with_name(f"{dead.name}-journal").write_bytes(journal.read_bytes())
    v2.execute("ROLLBACK")
    before = legacy.marks(dead)

    assert [alert["fingerprint"] for _, alert in alerts(dead)] == ["whole"]
    assert legacy.marks(dead) == before


def test_the_older_service_can_write_while_its_file_is_read(v2: sqlite3.Connection, file: Path) -> None:
    v2.execute("PRAGMA busy_timeout=0")
    add_alert(v2, starts_at="1")

    with open_source(str(file)) as source:
        rows = source.alert_tables[0].read()
        next(rows)
        add_alert(v2, starts_at="2")

        assert [row.row_id for row in rows] == [2]


def test_sources_that_are_none_are_named_with_the_reason(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"")
    dump = tmp_path / "dump.sql"
    dump.write_text("CREATE TABLE alerts ();")
    other = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE alerts (id INTEGER, fp_hash BLOB)")
        database.execute("CREATE TABLE schema_version (version TEXT)")
    foreign = tmp_path / "foreign.sqlite3"
    with closing(sqlite3.connect(foreign)) as database:
        database.execute("CREATE TABLE songs (id INTEGER)")
    partial = tmp_path / "partial.sqlite3"
    with closing(sqlite3.connect(partial)) as database:
        database.execute("CREATE TABLE alerts (id INTEGER, fingerprint TEXT)")

    reasons = {
        str(tmp_path / "none.sqlite3"): "there is no file",
        str(tmp_path): "is a folder",
        str(file): "is empty",
        str(dump): "load the dump into PostgreSQL",
        str(other): "is a file of Alert History itself",
        str(foreign): "its tables are songs",
        str(partial): "alerts has no column status",
        "mysql://u:secret@h/d": "neither a file nor a postgresql:// URL",
        "a\0b": "cannot be read",
        "postgresql://u:se/cret@h/d": "the URL cannot be understood",
        "postgresql://u:s@cret@h/d": "the URL cannot be understood",
        "postgresql://u:secret@h:port/d": "the URL cannot be understood",
        "postgresql://u:secret@h/d?nonsense=1": "the URL cannot be understood",
    }
    for text, reason in reasons.items():
        with pytest.raises(LegacySourceError) as caught, open_source(text):
            pass
        assert reason in str(caught.value)
        assert "cret" not in str(caught.value)


def test_a_path_that_is_no_text_has_a_name_that_is(v2: sqlite3.Connection, file: Path) -> None:
    odd = file.with_name(os.fsdecode(b"caf\xe9.sqlite3"))
    odd.write_bytes(file.read_bytes())

    with open_source(str(odd)) as source:
        assert source.name.endswith("caf\\udce9.sqlite3")


def test_a_damaged_file_is_named(v2: sqlite3.Connection, file: Path) -> None:
    v2.execute("BEGIN")
    for number in range(500):
        add_alert(v2, starts_at=str(number))
    v2.execute("COMMIT")
    v2.close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    file.write_bytes(content)

    with pytest.raises(LegacySourceError, match="cannot be read"):
        alerts(file)
