"""The spool: an SQLite file of which every commit is on the disk before it is told.

One row per payload. The file may be torn or damaged by whatever stopped the machine: then it is moved aside, what can
still be read of it is carried over, and the rest is counted and left where it is. Nothing here stops a service from
starting: a spool that cannot be used refuses payloads, and says why.
"""

import asyncio
import fcntl
import itertools
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock
from alerthistory_common.errors import UnavailableError
from alerthistory_ingest.domain.payload import Payload, PayloadFormat
from alerthistory_ingest.domain.spooled import Spooled, SpoolState

T = TypeVar("T")

_LOG = structlog.get_logger(__name__)
_NAME = "spool.sqlite3"
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS payloads (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        body BLOB NOT NULL,
        format TEXT NOT NULL,
        sender TEXT NOT NULL,
        received_us INTEGER NOT NULL,
        received_nanos INTEGER NOT NULL,
        traceparent TEXT NOT NULL,
        is_store_only INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS ix_payloads_order ON payloads (failures);
    CREATE TABLE IF NOT EXISTS damaged (id INTEGER PRIMARY KEY, body BLOB, checksum INTEGER);
"""
_COLUMNS = "body, format, sender, received_us, received_nanos, traceparent, is_store_only, failures, checksum"
_INSERT = f"INSERT INTO payloads ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # Our names.
_FREED_PAGES = 4096
_OFF = "it is switched off"
# SQLite says these of a file that is not what it wrote.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SpoolError(Exception):
    """The spool cannot be used; the text says why, for a person."""


class SqliteSpool:
    """The spool in *folder*, which one process has at a time. Holds at most *max_bytes* of payloads.

    Nothing is taken either once the oldest payload waits for *max_age_s*: an outage that long must not stay hidden
    behind answers of success.
    """

    def __init__(self, folder: Path, *, max_bytes: int, max_age_s: float, clock: Clock) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age_us = int(max_age_s * 1_000_000)
        self._clock = clock
        # SQLite waits for the disk: in a thread of its own, so that the loop does not.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._file: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._state = SpoolState()

    @property
    def state(self) -> SpoolState:
        """What the spool holds."""
        return self._state

    async def open(self) -> None:
        """Look for what an earlier process left; what is wrong stands in the state afterwards."""
        if not self._max_bytes:
            self._state = SpoolState(problem=_OFF)
            return
        with suppress(UnavailableError):
            await self._run(lambda file: None)

    async def close(self) -> None:
        """Give the file to others."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown()

    async def append(self, payloads: Sequence[Spooled]) -> None:
        """Return once *payloads* are on the disk; raise UnavailableError when they are not."""
        await self._run(lambda file: self._append(file, payloads))

    async def oldest(self, *, max_count: int, max_bytes: int) -> Sequence[Spooled]:
        """Return the oldest payloads, those that history refused behind the others; at least one if there is any."""
        return await self._run(lambda file: self._oldest(file, max_count, max_bytes))

    async def remove(self, spool_ids: Iterable[int]) -> None:
        """Forget payloads that history has."""
        await self._run(lambda file: self._remove(file, spool_ids))

    async def set_back(self, spool_id: int) -> None:
        """Put a payload that history refused behind the others."""
        await self._run(lambda file: _set_back(file, spool_id))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if not self._max_bytes:
            raise UnavailableError(f"the spool takes nothing: {_OFF}")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            file = self._opened()
            try:
                with file:
                    result = work(file)
            except sqlite3.Error as error:
                self._recount(file, error)
                raise
        except (sqlite3.Error, OSError, SpoolError) as error:
            if self._state.problem != str(error):
                _LOG.error("the spool takes nothing", folder=str(self._folder), error=str(error))
            self._state = replace(self._state, problem=str(error))
            raise UnavailableError(f"the spool takes nothing: {error}") from error
        return result

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._lock is None:
                self._lock = _locked(self._folder / "spool.lock")
            self._file = _sound(self._folder / _NAME)
            self._state = _state(self._file)
        return self._file

    def _recount(self, file: sqlite3.Connection, error: sqlite3.Error) -> None:
        """Look what there is after a failed commit; a damaged file is opened anew, which mends it."""
        try:
            if _is_damage(error):
                self._shut()
            else:
                self._state = _state(file)
        except sqlite3.Error:
            self._shut()

    def _append(self, file: sqlite3.Connection, payloads: Sequence[Spooled]) -> None:
        state = self._state
        size = state.size_bytes + sum(map(_size, payloads))
        if size > self._max_bytes:
            raise SpoolError(f"it holds {state.size_bytes} bytes, and may hold {self._max_bytes}")
        if state.oldest_at and self._clock.now().micros - state.oldest_at.micros > self._max_age_us:
            raise SpoolError(f"its oldest payload waits since {state.oldest_at.iso_utc()}, longer than it may")
        file.executemany(_INSERT, map(_row, payloads))
        # Only a commit that the disk has taken makes payloads ours.
        file.commit()
        self._state = replace(
            state, payloads=state.payloads + len(payloads), size_bytes=size, oldest_at=_oldest_at(file), problem=""
        )

    def _oldest(self, file: sqlite3.Connection, max_count: int, max_bytes: int) -> list[Spooled]:
        found: list[Spooled] = []
        damaged: list[int] = []
        size = 0
        # Row by row: bodies may be large.
        rows = file.execute(f"SELECT id, {_COLUMNS} FROM payloads ORDER BY failures, id LIMIT ?", (max_count,))  # noqa: S608
        for spool_id, *row in rows:
            spooled = _spooled(spool_id, row)
            if spooled is None:
                damaged.append(spool_id)
                continue
            size += _size(spooled)
            if found and size > max_bytes:
                break
            found.append(spooled)
        rows.close()
        for spool_id in damaged:
            self._give_up(file, spool_id)
        return found

    def _give_up(self, file: sqlite3.Connection, spool_id: int) -> None:
        _LOG.error("a payload in the spool is damaged, and kept apart", spool_id=spool_id)
        file.execute("INSERT INTO damaged SELECT id, body, checksum FROM payloads WHERE id = ?", (spool_id,))
        self._remove(file, [spool_id])
        self._state = replace(self._state, damaged=self._state.damaged + 1)

    def _remove(self, file: sqlite3.Connection, spool_ids: Iterable[int]) -> None:
        sizes = [
            size
            for each in spool_ids
            for (size,) in file.execute("DELETE FROM payloads WHERE id = ? RETURNING length(body)", (each,)).fetchall()
        ]
        file.commit()
        # As a script: the module would step a pragma without rows once, and free one page.
        file.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")
        self._state = replace(
            self._state,
            payloads=self._state.payloads - len(sizes),
            size_bytes=self._state.size_bytes - sum(sizes),
            oldest_at=_oldest_at(file),
        )

    def _shut(self) -> None:
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
            self._file = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _set_back(file: sqlite3.Connection, spool_id: int) -> None:
    file.execute("UPDATE payloads SET failures = failures + 1 WHERE id = ?", (spool_id,))


def _locked(path: Path) -> int:
    """Return the descriptor of a lock that the system takes back when this process ends, however it ends."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SpoolError(f"another process has {path}") from error
    return descriptor


def _sound(path: Path) -> sqlite3.Connection:
    """Return the file at *path*, which is made anew when it is damaged; what can be read of the old one is in it."""
    try:
        file = _connected(path)
        try:
            if file.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return file
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
        file.close()
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
    aside = _aside(path)
    file = _connected(path)
    saved = _salvage(aside, file)
    _LOG.error("the spool was damaged; what could be read is carried over", saved=saved, moved_to=str(aside))
    return file


def _connected(path: Path) -> sqlite3.Connection:
    # Bodies may hold secrets.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    file = sqlite3.connect(path, check_same_thread=False)
    file.text_factory = _text
    try:
        file.execute("PRAGMA auto_vacuum = INCREMENTAL")
        file.execute("PRAGMA journal_mode = WAL").fetchall()
        file.execute("PRAGMA synchronous = FULL")
        file.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        file.close()
        raise
    return file


def _aside(path: Path) -> Path:
    """Move the file at *path* and what belongs to it out of the way; return where it is."""
    numbers = itertools.count(1)
    aside = next(free for n in numbers if not (free := path.with_name(f"spool-damaged-{n}.sqlite3")).exists())
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _salvage(aside: Path, file: sqlite3.Connection) -> int:
    """Carry over what can be read of the payloads in *aside*, row by row; return how many."""
    saved = 0
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(aside)) as old, file:
        old.text_factory = _text
        for spool_id in _numbers(old):
            with suppress(sqlite3.DatabaseError):
                row = old.execute(f"SELECT {_COLUMNS} FROM payloads WHERE id = ?", (spool_id,)).fetchone()  # noqa: S608
                if row is not None and _spooled(spool_id, row) is not None:
                    file.execute(_INSERT, row)
                    saved += 1
    return saved


def _numbers(old: sqlite3.Connection) -> Iterable[int]:
    """Return the ids that rows may have, as far as it is known."""
    ends = [1, 0]
    for query in ("SELECT min(id) FROM payloads", "SELECT max(id) FROM payloads"):
        with suppress(sqlite3.DatabaseError):
            ends.append(old.execute(query).fetchone()[0] or 0)
    with suppress(sqlite3.DatabaseError):
        ends += [seq for (seq,) in old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'payloads'")]
    return range(1, max(ends) + 1)


def _state(file: sqlite3.Connection) -> SpoolState:
    count, size = file.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM payloads").fetchone()
    (damaged,) = file.execute("SELECT count(*) FROM damaged").fetchone()
    return SpoolState(payloads=count, size_bytes=size, oldest_at=_oldest_at(file), damaged=damaged)


def _oldest_at(file: sqlite3.Connection) -> Instant | None:
    row = file.execute("SELECT received_us FROM payloads ORDER BY id LIMIT 1").fetchone()
    return None if row is None else Instant(row[0])


def _text(content: bytes) -> str:
    """Return a text that may be damaged: then its checksum tells."""
    return content.decode("utf-8", "backslashreplace")


def _size(spooled: Spooled) -> int:
    return len(spooled.payload.body)


def _row(spooled: Spooled) -> tuple[Any, ...]:
    payload = spooled.payload
    received = payload.received_at
    kept = (
        payload.body,
        str(payload.format),
        payload.sender,
        received.micros,
        received.nanos,
        payload.traceparent,
        int(spooled.is_store_only),
    )
    return *kept, spooled.failures, _checksum(kept)


def _spooled(spool_id: int, row: Sequence[Any]) -> Spooled | None:
    """Return what *row* holds; None when it is not what was written."""
    *kept, failures, checksum = row
    if _checksum(kept) != checksum:
        return None
    body, payload_format, sender, micros, nanos, traceparent, is_store_only = kept
    payload = Payload(
        body=body,
        format=PayloadFormat(payload_format),
        received_at=Instant(micros, nanos),
        sender=sender,
        traceparent=traceparent,
    )
    return Spooled(spool_id=spool_id, payload=payload, is_store_only=bool(is_store_only), failures=failures)


def _checksum(kept: Iterable[Any]) -> int:
    return zlib.crc32(repr(tuple(kept)).encode())


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in _DAMAGE
