"""One service's database: PostgreSQL (a schema of its own) or SQLite (a file of its own), by SQLAlchemy Core.

Work is a function of a connection: ``await database.write(insert_rows)``. It runs in one transaction, and again when
the database asks for that (serialisation failures, deadlocks), so it must do nothing but talk to the connection.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from alerthistory_common.database_problems import problem_of
from alerthistory_common.database_urls import parse
from alerthistory_common.errors import AlertHistoryError, StoreUnavailableError
from alerthistory_common.insistence import limited
from alerthistory_common.postgresql import Pool, open_engine
from alerthistory_common.settings import CommonSettings

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

# Serialisation failures and deadlocks; a lock not got in time, for those who set a lock_timeout.
_TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})
_CHECK_VIOLATION = "23514"
_ATTEMPTS = 5
# SQLSTATE class 54: a row or an index key is larger than the server takes.
_PROGRAM_LIMIT = "54"
_STATEMENT_TIMEOUT = "57014"
_AVAILABLE_WITHIN_S = 3.0
_LOG = structlog.get_logger(__name__)


class StoreRefusedError(AlertHistoryError):
    """The database cannot hold what it was given, and never will."""

    code = "INVALID_ARGUMENT"
    reason = "STORE_REFUSED"


class StoreBusyError(StoreUnavailableError):
    """The database answers, but has no time for this: no connection was free, or the statement took too long."""


def database_url(common: CommonSettings, own: str, service: str) -> URL:
    """Return where *service* keeps its data: its *own* URL, the common one, or a SQLite file in the data folder."""
    if chosen := own or common.database_url:
        return parse(chosen)
    return URL.create("sqlite+aiosqlite", database=str(common.data_dir / f"{service}.sqlite3"))


class Database:
    """Runs work in transactions. Raises StoreUnavailableError while the database is away.

    Callers learn only that it is; why stands in ``problem``, and once in the log.
    """

    def __init__(self, reader: AsyncEngine, writer: AsyncEngine, *, pool: Pool | None = None) -> None:
        self._reader = reader
        self._writer = writer
        self._open_limit_s = pool.open_limit_s if pool else None
        self._work_limit_s = pool.work_limit_s if pool else None
        self.problem = ""

    @property
    def dialect(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return self._writer.dialect.name

    @property
    def server_version(self) -> tuple[Any, ...] | None:
        """PostgreSQL's version, such as (16, 4), once it was reached; None for SQLite."""
        return getattr(self._writer.dialect, "server_version_info", None) if self.dialect == "postgresql" else None

    async def read(self, work: Work[T]) -> T:
        """Return the result of *work*, which only reads, run in a transaction."""
        async with self._watched(), self._connected(self._reader) as connection:
            result = await work(connection)
            # After a rollback the driver forgets all statements that the connection had prepared.
            await connection.commit()
            return result

    async def write(self, work: Work[T]) -> T:
        """Return the result of *work* once it is committed, durably.

        Raises StoreRefusedError when the database will never hold what *work* gave it.
        """
        for attempt in range(_ATTEMPTS):
            try:
                async with self._watched(), self._connected(self._writer) as connection, connection.begin():
                    return await work(connection)
            except _TryAgainError as error:
                if attempt == _ATTEMPTS - 1:
                    raise StoreUnavailableError("the database is too contended") from error
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  # Jitter is no secret.
        raise AssertionError("the loop returns or raises")

    async def checkpoint(self) -> None:
        """Let SQLite write its log into its file, which then shrinks by what was freed; waits for nobody."""
        async with translated_errors(), self._writer.connect() as connection:
            raw = await connection.get_raw_connection()
            if (driver := raw.driver_connection) is not None:
                await driver.execute("PRAGMA wal_checkpoint(PASSIVE)")

    async def is_available(self) -> bool:
        """Whether the database answers within three seconds: one that is merely slow must not lose all its replicas."""
        try:
            async with asyncio.timeout(_AVAILABLE_WITHIN_S):
                await self.read(lambda connection: connection.execute(text("SELECT 1")))
        except (StoreUnavailableError, TimeoutError):
            return False
        return True

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        connection = engine.connect()
        # A server that hangs does not even answer whether a kept connection still works.
        async with limited(self._open_limit_s):
            await connection.start()
        try:
            async with limited(self._work_limit_s):
                yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Turn the driver's errors into ours, and say once that the database went away, and once that it is back."""
        try:
            async with translated_errors():
                yield
        except StoreUnavailableError as error:
            if not isinstance(error, StoreBusyError):
                self._is_away(error.__cause__ or error)
            raise
        if self.problem:
            self.problem = ""
            _LOG.info("the database is back")

    def _is_away(self, error: BaseException) -> None:
        is_postgresql = self.dialect == "postgresql"
        problem = problem_of(error, self._writer.url) if is_postgresql else str(getattr(error, "orig", error))
        if not self.problem:
            _LOG.warning("the database is away", problem=problem)
        self.problem = problem


@asynccontextmanager
async def open_database(url: URL, *, schema: str, pool: Pool | None = None) -> AsyncIterator[Database]:
    """Yield the database at *url*; PostgreSQL's objects live in *schema*, and its connections keep to *pool*."""
    if url.get_backend_name() == "postgresql":
        pool = pool or Pool()
        async with open_engine(url, schema=schema, pool=pool) as engine:
            yield Database(engine, engine, pool=pool)
        return
    engines = _sqlite_engines(url)
    try:
        yield Database(*engines)
    finally:
        for engine in engines:
            await engine.dispose()


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        raise _translated(error) from error


def _translated(error: DBAPIError | PoolTimeoutError | OSError) -> Exception:
    sqlstate = _sqlstate(error)
    if sqlstate in _TRY_AGAIN or (sqlstate == _CHECK_VIOLATION and not _constraint(error)):
        return _TryAgainError()
    if isinstance(error, PoolTimeoutError):
        return StoreBusyError("all connections to the database were in use for too long")
    if sqlstate == _STATEMENT_TIMEOUT:
        return StoreBusyError("the database took too long")
    if isinstance(error, DataError | IntegrityError) or sqlstate.startswith(_PROGRAM_LIMIT):
        return StoreRefusedError("the database cannot hold this", sqlstate=sqlstate)
    if isinstance(error, DBAPIError) and not isinstance(error, OperationalError | InterfaceError):
        return StoreUnavailableError("the connection to the database broke") if error.connection_invalidated else error
    return StoreUnavailableError("the database does not answer")


def _sqlstate(error: BaseException) -> str:
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def _constraint(error: BaseException) -> str:
    """Return the violated constraint's name. A partition that came while a row was on its way has none."""
    return getattr(getattr(getattr(error, "orig", error), "diag", None), "constraint_name", None) or ""


class _TryAgainError(Exception):
    """The database asks for the transaction to be run again."""


def _sqlite_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    reader = create_async_engine(url, pool_size=4, max_overflow=0, pool_timeout=5)
    # One connection is one writer: they queue here instead of meeting SQLITE_BUSY.
    writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=30)
    for engine, begin in ((reader, "BEGIN"), (writer, "BEGIN IMMEDIATE")):
        _prepare_sqlite(engine, begin)
    return reader, writer


def _prepare_sqlite(engine: AsyncEngine, begin: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _: object) -> None:
        # The driver must not begin transactions on its own: it would begin them too late and too weakly.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)
