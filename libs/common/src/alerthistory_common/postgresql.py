"""PostgreSQL engines: a pool with the limits that operators expect, and sessions that end what hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, ExceptionContext, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from alerthistory_common.settings import CommonSettings

_READ_ONLY = "25006"
_PREPARED_AFTER = 5
_SERVERS_TRIED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The limits of one service's connections. ``database_…`` of the common settings say what each means."""

    min_size: int = 1
    max_size: int = 8
    lifetime_s: float = 1800
    idle_s: float = 300
    timeout_s: float = 2
    connect_timeout_s: int = 3
    statement_timeout_s: float = 30
    has_pgbouncer: bool = False

    @property
    def open_limit_s(self) -> float:
        """Seconds that getting a connection may take: a place in the pool, and several servers that may be tried."""
        return self.timeout_s + _SERVERS_TRIED * self.connect_timeout_s

    @property
    def work_limit_s(self) -> float:
        """Seconds that a transaction may take when the server does not end its statements itself, because it hangs."""
        return 2 * self.statement_timeout_s

    @classmethod
    def of(cls, common: CommonSettings) -> "Pool":
        """Return what *common* says."""
        return cls(
            min_size=common.database_pool_min,
            max_size=common.database_pool_max,
            lifetime_s=common.database_pool_lifetime_s,
            idle_s=common.database_pool_idle_s,
            timeout_s=common.database_pool_timeout_s,
            connect_timeout_s=common.database_connect_timeout_s,
            statement_timeout_s=common.database_statement_timeout_s,
            has_pgbouncer=common.database_pgbouncer,
        )


def connect_arguments(schema: str, pool: Pool) -> dict[str, Any]:
    """Return what every connection is opened with: its timeouts, and only servers that take writes."""
    arguments: dict[str, Any] = {
        "connect_timeout": pool.connect_timeout_s,
        "target_session_attrs": "read-write",
        "keepalives_idle": 30,
        "tcp_user_timeout": 15_000,
        "application_name": f"alerthistory-{schema}",
        # Behind PgBouncer the next transaction meets another session, which knows none of these statements.
        "prepare_threshold": None if pool.has_pgbouncer else _PREPARED_AFTER,
    }
    if not pool.has_pgbouncer:
        arguments["options"] = " ".join(f"-c {name}={value}" for name, value in _session(schema, pool).items())
    return arguments


@asynccontextmanager
async def open_engine(url: URL, *, schema: str, pool: Pool) -> AsyncIterator[AsyncEngine]:
    """Yield an engine whose connections find *schema* first. It connects when it is used, and ``min_size`` soon."""
    engine = create_async_engine(
        url,
        pool_size=pool.max_size,
        max_overflow=0,
        pool_timeout=pool.timeout_s,
        pool_recycle=pool.lifetime_s,
        pool_pre_ping=True,
        # The connections used least stay at the bottom, and idle there until the server ends them.
        pool_use_lifo=True,
        connect_args=connect_arguments(schema, pool),
    )
    event.listen(engine.sync_engine, "connect", _take_arrays)
    event.listen(engine.sync_engine, "handle_error", _leave_standby)
    if pool.has_pgbouncer:
        _set_up_each_transaction(engine, _session(schema, pool))
    keeper = asyncio.create_task(_keep_open(engine, pool))
    try:
        yield engine
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await engine.dispose()


def _session(schema: str, pool: Pool) -> dict[str, str]:
    statement_ms = int(pool.statement_timeout_s * 1000)
    session = {
        "search_path": schema,
        "statement_timeout": f"{statement_ms}ms",
        "idle_in_transaction_session_timeout": f"{statement_ms}ms",
    }
    if not pool.has_pgbouncer:
        session["idle_session_timeout"] = f"{int(pool.idle_s * 1000)}ms"
    return session


def _set_up_each_transaction(engine: AsyncEngine, session: dict[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in session.items())

    @event.listens_for(engine.sync_engine, "begin")
    def set_up(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT {calls}")


async def _keep_open(engine: AsyncEngine, pool: Pool) -> None:
    """Use ``min_size`` connections often enough that the server does not find them idle."""
    connections = engine.pool
    assert isinstance(connections, QueuePool)  # noqa: S101  # What create_async_engine makes, for the type checker.
    while pool.min_size:
        try:
            async with AsyncExitStack() as stack:
                for _ in range(pool.min_size - connections.checkedout()):
                    await stack.enter_async_context(engine.connect())
        except (SQLAlchemyError, OSError):
            pass  # Whoever needs the database meets the same and says so.
        await asyncio.sleep(pool.idle_s / 3)


def _take_arrays(connection: Any, _: object) -> None:
    from alerthistory_common import array_dumper  # It imports the driver, which SQLite does without.

    array_dumper.teach(connection.driver_connection)


def _leave_standby(context: ExceptionContext) -> None:
    # After a failover: the old primary still answers, and a kept connection would stay with it.
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
