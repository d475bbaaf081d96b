"""A PostgreSQL that takes requests and says nothing: nobody waits longer than agreed, and nothing is held meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory_common.database import Database, StoreBusyError, open_database
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.postgresql import Pool
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.integration.history.harness import ManualClock, migrate_store, running
from tests.publishers import eventually

pytestmark = pytest.mark.timeout(60)
_ONE = Pool(min_size=0, max_size=1, timeout_s=0.2, connect_timeout_s=2, statement_timeout_s=1)


@pytest.fixture
def proxy(postgres_url: URL) -> Iterator[FaultProxy]:
    """Return a TCP port in front of the server."""
    with fault_proxy(Path(str(postgres_url.query["host"])) / ".s.PGSQL.5432") as proxy:
        yield proxy


def _over(proxy: FaultProxy, url: URL) -> URL:
    return url.set(host="127.0.0.1", port=proxy.port).set(query={})


async def _ask(database: Database) -> None:
    await database.read(lambda connection: connection.execute(text("SELECT 1")))


async def _abandon_a_query(database: Database, proxy: FaultProxy) -> None:
    """Ask while nothing answers, and give up after half a second."""
    await _ask(database)
    proxy.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await _ask(database)


async def _time_of_an_abandoned_query(url: URL, proxy: FaultProxy) -> float:
    """Return for how many seconds a query occupies its connection whose caller leaves after half a second."""
    async with open_database(_over(proxy, url), schema="public", pool=_ONE) as database:
        await _ask(database)
        proxy.hang()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await _ask(database)
        took = time.monotonic() - began
        with pytest.raises(StoreUnavailableError) as found:
            await _ask(database)
        assert not isinstance(found.value, StoreBusyError), "its place in the pool is free"
        proxy.heal()
        await _ask(database)
    return took


async def test_an_abandoned_query_gives_its_connection_back_soon(postgres_url: URL, proxy: FaultProxy) -> None:
    assert await _time_of_an_abandoned_query(postgres_url, proxy) < 3.5


async def test_without_insistence_it_is_held_for_longer(
    postgres_url: URL, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerthistory_common.database.limited", asyncio.timeout)
    assert await _time_of_an_abandoned_query(postgres_url, proxy) > 5


async def test_a_transaction_that_hangs_is_ended(postgres_url: URL, proxy: FaultProxy) -> None:
    async def work(connection: AsyncConnection) -> None:
        await connection.execute(text("SELECT 1"))
        proxy.hang()
        await connection.execute(text("SELECT 1"))

    async with open_database(_over(proxy, postgres_url), schema="public", pool=_ONE) as database:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await database.write(work)
        assert time.monotonic() - began < _ONE.work_limit_s + 4


def _no_more_tasks_than(count: int) -> Callable[[], Awaitable[bool]]:
    async def are_gone() -> bool:
        return len(asyncio.all_tasks()) <= count

    return are_gone


async def test_callers_leave_at_their_deadline_and_nothing_goes_on_for_them(
    postgres_url: URL, proxy: FaultProxy
) -> None:
    url = _over(proxy, postgres_url)
    migrate_store(postgres_url)
    async with running(url, ManualClock()) as history:
        await history.stub.ListAlerts(pb.ListAlertsRequest(), timeout=10)
        before = len(asyncio.all_tasks())
        proxy.hang()

        async def ask() -> tuple[grpc.StatusCode, float]:
            began = time.monotonic()
            with pytest.raises(grpc.aio.AioRpcError) as found:
                await history.stub.ListAlerts(pb.ListAlertsRequest(), timeout=1)
            return found.value.code(), time.monotonic() - began

        answers = await asyncio.gather(*(ask() for _ in range(4)))
        assert {code for code, _ in answers} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert max(took for _, took in answers) < 1.3
        await eventually(_no_more_tasks_than(before), saying="no task is left", within_s=4)
        proxy.heal()
        await history.stub.ListAlerts(pb.ListAlertsRequest(), timeout=10)
