"""Telling what a legacy database is, and opening it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alerthistory_client.legacy import sqlite_v1, sqlite_v2
from alerthistory_client.legacy.postgresql import open_postgresql
from alerthistory_client.legacy.sqlite_file import SqliteFile, open_read_only
from alerthistory_client.legacy.tables import LegacySource, LegacySourceError

_POSTGRESQL = ("postgresql://", "postgres://", "postgresql+asyncpg://", "postgresql+psycopg://")
_SQLITE = "sqlite:///"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_OUR_OWN = "schema_version"


@contextmanager
def open_source(text: str) -> Iterator[LegacySource]:
    """Yield the legacy database that *text* names: a path, or a postgresql:// URL. It is only read.

    Raises LegacySourceError, with a text for people and without any password, when it cannot be.
    """
    scheme = next((each for each in _POSTGRESQL if text.startswith(each)), None)
    if scheme is not None:
        with open_postgresql(f"postgresql://{text.removeprefix(scheme)}") as source:
            yield source
        return
    path = text.removeprefix(_SQLITE)
    if _URL.match(path):
        raise LegacySourceError("the source is neither a file nor a postgresql:// URL")
    with open_read_only(Path(path)) as file:
        yield _sqlite_source(Path(path), file)


def _sqlite_source(path: Path, file: SqliteFile) -> LegacySource:
    found = file.columns()
    if _OUR_OWN in found:
        raise LegacySourceError(f"{path} is a file of Alert History itself, not of the older service")
    has_first = _has(path, found, sqlite_v1.EventTable.name, sqlite_v1.COLUMNS)
    has_second = _has(path, found, sqlite_v2.AlertTable.name, sqlite_v2.ALERT_COLUMNS)
    if not has_first and not has_second:
        names = ", ".join(sorted(found)[:5]) or "none"
        raise LegacySourceError(f"{path} is no database of the older service: its tables are {names}")
    has_classifications = has_second and _has(
        path, found, sqlite_v2.ClassificationTable.name, sqlite_v2.CLASSIFICATION_COLUMNS
    )
    generations = [name for name, is_there in (("first", has_first), ("second", has_second)) if is_there]
    return LegacySource(
        # A path may hold bytes that are no text; a sender may not.
        name=str(path).encode(errors="backslashreplace").decode(),
        kind=f"SQLite, {' and '.join(generations)} generation",
        # What the first generation received is older.
        alert_tables=(
            *([sqlite_v1.EventTable(file)] if has_first else []),
            *([sqlite_v2.AlertTable(file)] if has_second else []),
        ),
        classification_tables=(sqlite_v2.ClassificationTable(file),) if has_classifications else (),
    )


def _has(path: Path, found: Mapping[str, set[str]], table: str, columns: tuple[str, ...]) -> bool:
    if table not in found:
        return False
    missing = [name for name in ("id", *columns) if name not in found[table]]
    if missing:
        raise LegacySourceError(f"{path} is no database of the older service: {table} has no column {missing[0]}")
    return True
