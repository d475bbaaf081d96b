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

from sqlalchemy import URL, ExceptionContext, event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from alerthistory_common.database_urls import parse
from alerthistory_common.errors import AlertHistoryError, StoreUnavailableError
from alerthistory_common.settings import CommonSettings

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

# The last is that of a lock not got in time, which only those meet who set a lock_timeout.
_TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})
_ATTEMPTS = 5
# SQLSTATE class 54: a row or an index key is larger than the server takes.
_PROGRAM_LIMIT = "54"
_READ_ONLY = "25006"


class StoreRefusedError(AlertHistoryError):
    """The database cannot hold what it was given, and never will."""

    code = "INVALID_ARGUMENT"
    reason = "STORE_REFUSED"


def database_url(common: CommonSettings, own: str, service: str) -> URL:
    """Return where *service* keeps its data: its *own* URL, the common one, or a SQLite file in the data folder."""
    if chosen := own or common.database_url:
        return parse(chosen)
    return URL.create("sqlite+aiosqlite", database=str(common.data_dir / f"{service}.sqlite3"))


class Database:
    """Runs work in transactions. Raises StoreUnavailableError while the database is away."""

    def __init__(self, reader: AsyncEngine, writer: AsyncEngine) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def dialect(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return self._writer.dialect.name

    async def read(self, work: Work[T]) -> T:
        """Return the result of *work*, run in a transaction that is rolled back."""
        async with translated_errors(), self._reader.connect() as connection:
            return await work(connection)

    async def write(self, work: Work[T]) -> T:
        """Return the result of *work* once it is committed, durably.

        Raises StoreRefusedError when the database will never hold what *work* gave it.
        """
        for attempt in range(_ATTEMPTS):
            try:
                async with translated_errors(), self._writer.begin() as connection:
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
        """Whether the database answers within a second."""
        try:
            async with asyncio.timeout(1):
                await self.read(lambda connection: connection.execute(text("SELECT 1")))
        except (StoreUnavailableError, TimeoutError):
            return False
        return True


@asynccontextmanager
async def open_database(url: URL, *, schema: str, pool_size: int = 5) -> AsyncIterator[Database]:
    """Yield the database at *url*; PostgreSQL's objects live in *schema*."""
    engines = (
        _postgresql_engines(url, schema, pool_size) if url.get_backend_name() == "postgresql" else _sqlite_engines(url)
    )
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
    if sqlstate in _TRY_AGAIN:
        return _TryAgainError()
    if isinstance(error, DataError | IntegrityError) or sqlstate.startswith(_PROGRAM_LIMIT):
        return StoreRefusedError("the database cannot hold this", sqlstate=sqlstate)
    if isinstance(error, DBAPIError) and not isinstance(error, OperationalError | InterfaceError):
        return StoreUnavailableError("the connection to the database broke") if error.connection_invalidated else error
    return StoreUnavailableError("the database does not answer")


def _sqlstate(error: BaseException) -> str:
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


class _TryAgainError(Exception):
    """The database asks for the transaction to be run again."""


def _postgresql_engines(url: URL, schema: str, pool_size: int) -> tuple[AsyncEngine, AsyncEngine]:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=2,
        pool_recycle=1800,
        pool_pre_ping=True,
        connect_args={
            "options": f"-c search_path={schema} -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s",
            "connect_timeout": 3,
            "target_session_attrs": "read-write",
            "keepalives_idle": 30,
            "tcp_user_timeout": 15_000,
            "application_name": f"alerthistory-{schema}",
        },
    )

    @event.listens_for(engine.sync_engine, "handle_error")
    def leave_standby(context: ExceptionContext) -> None:
        # After a failover: the old primary still answers, and a kept connection would stay with it.
        if _sqlstate(context.original_exception) == _READ_ONLY:
            context.is_disconnect = True

    return engine, engine


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
