"""SQLite files that are only looked at: no byte, no time and no neighbour of the original changes."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alerthistory_client.legacy.tables import LegacySourceError

_MAGIC = b"SQLite format 3\0"
_WAL_VERSION = 2
_COPIED = ("", "-wal", "-journal")
_COPY_ATTEMPTS = 3
PAGE = 200


class SqliteFile:
    """An open file. Rows are fetched in short reads, between which the older service can write."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def rows(self, query: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        """Return all rows of *query*; texts are bytes."""
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise LegacySourceError(f"{self._path} cannot be read: {error}") from error

    def pages(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Iterate over the rows of *query*, which gives some after the id :1, by id, at most :2."""
        last = -(2**63)
        while page := self.rows(query, last, PAGE):
            yield from page
            last = page[-1][0]

    def columns(self) -> dict[str, set[str]]:
        """Return the columns of every table."""
        found: dict[str, set[str]] = {}
        for table, column in self.rows(
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
        ):
            found.setdefault(table.decode("utf-8", "replace"), set()).add(column.decode("utf-8", "replace"))
        return found


@contextmanager
def open_read_only(path: Path) -> Iterator[SqliteFile]:
    """Yield the file at *path*; raise LegacySourceError when it is no readable SQLite file."""
    is_wal = _is_wal(path)
    if _has_content(path, "-wal"):
        # Reading a write-ahead log needs an index of it beside the file, which SQLite would make and delete.
        with _copied(path) as copy, _connected(path, copy, "mode=rw") as file:
            yield file
    elif _needs_rollback(path):
        with _copied(path) as copy, _connected(path, copy, "mode=rw") as file:
            yield file
    else:
        with _connected(path, path, "mode=ro&immutable=1" if is_wal else "mode=ro") as file:
            yield file


@contextmanager
def _connected(shown: Path, path: Path, mode: str) -> Iterator[SqliteFile]:
    with closing(
        sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=30
        )
    ) as connection:
        connection.text_factory = bytes
        file = SqliteFile(shown, connection)
        file.rows("SELECT count(*) FROM sqlite_master")
        yield file


def _is_wal(path: Path) -> bool:
    """Whether the file is kept with a write-ahead log; raise LegacySourceError when it is no SQLite file."""
    if path.is_dir():
        raise LegacySourceError(f"{path} is a folder; name the SQLite file in it")
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError as error:
        raise LegacySourceError(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LegacySourceError(f"{path} cannot be read: {reason}") from error
    if not header:
        raise LegacySourceError(f"{path} is empty")
    if not header.startswith(_MAGIC):
        hint = ": load the dump into PostgreSQL and name that database" if path.suffix == ".sql" else ""
        raise LegacySourceError(f"{path} is not a SQLite database{hint}")
    return _WAL_VERSION in header[18:20]


def _has_content(path: Path, suffix: str) -> bool:
    beside = Path(f"{path}{suffix}")
    return beside.exists() and beside.stat().st_size > 0


def _needs_rollback(path: Path) -> bool:
    """Whether a writer died in the middle of a transaction, which cannot be undone in a file that is only read."""
    if not _has_content(path, "-journal"):
        return False
    try:
        with _connected(path, path, "mode=ro"):
            return False
    except LegacySourceError:
        return True


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """Yield a copy of the file with its log, to be recovered there."""
    with tempfile.TemporaryDirectory(prefix="ahctl-") as folder:
        copy = Path(folder) / "copy.sqlite3"
        for _ in range(_COPY_ATTEMPTS):
            before = _marks(path)
            try:
                _copy(path, copy)
            except OSError as error:
                raise LegacySourceError(f"{path} cannot be copied to {folder}: {error.strerror}") from error
            if _marks(path) == before:
                yield copy
                return
        raise LegacySourceError(f"{path} is being written to: stop the older service, then try again")


def _copy(path: Path, copy: Path) -> None:
    for suffix in _COPIED:
        original, target = Path(f"{path}{suffix}"), Path(f"{copy}{suffix}")
        target.unlink(missing_ok=True)
        if original.exists():
            shutil.copyfile(original, target)


def _marks(path: Path) -> list[tuple[int, int] | None]:
    """Return what changes when the file or its log is written to."""
    stats = [beside.stat() if beside.exists() else None for beside in (Path(f"{path}{each}") for each in _COPIED)]
    return [None if stat is None else (stat.st_size, stat.st_mtime_ns) for stat in stats]
