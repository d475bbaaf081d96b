"""Counting the log: every event once, whatever commits, stalls, races or dies meanwhile."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import URL, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.errors import StoreUnavailableError, UnavailableError
from alerthistory_history.adapters.report_store import SqlReportStore
from alerthistory_history.adapters.rollup_store import SqlRollupStore, uncounted
from alerthistory_history.adapters.rollup_tables import (
    rollup_alert_days,
    rollup_alerts,
    rollup_days,
    rollup_progress,
)
from alerthistory_history.adapters.tables import events
from alerthistory_history.application.reports import Asked, Reports
from alerthistory_history.domain.counts import DAY
from alerthistory_history.domain.records import Position
from alerthistory_history.domain.reports import Order
from alerthistory_history.domain.rollups import Folded, Uncounted
from alerthistory_history.domain.slices import Dimension, Group, ReportFilter, Slice
from tests.integration.history.harness import History, eventually, firing, migrate_store, resolved
from tests.integration.history.reporting import Bench, bench, episodes
from tests.processes import clean_environment, script


@pytest.fixture
async def store(migrated_url: URL) -> AsyncIterator[Bench]:
    """Return the stores over an empty database."""
    async with bench(migrated_url) as opened:
        yield opened


@pytest.fixture
async def postgres_store(postgres_url: URL) -> AsyncIterator[Bench]:
    """Return the stores over an empty PostgreSQL database."""
    migrate_store(postgres_url)
    async with bench(postgres_url) as opened:
        yield opened


async def _fired(store: Bench) -> int:
    """Return how many firings the reports know of."""
    names = await store.reports.top_names(Asked(wanted=ReportFilter(), page_size=1000), Order.FIRED)
    return sum(top.fired for top in names.items)


async def _counted(store: Bench) -> int:
    """Return how many firings are in the tables of counts."""
    whole = Slice(Dimension.NONE, Group()).key
    query = select(func.coalesce(func.sum(rollup_days.c.opened), 0)).where(rollup_days.c.slice_key == whole)
    return int(await store.database.read(lambda connection: connection.scalar(query)) or 0)


async def _race(store: Bench, rollups: SqlRollupStore) -> None:
    """Let six writers commit while two counters count and a transaction with events of its own stalls."""
    done = asyncio.Event()

    async def write(number: int) -> None:
        for turn in range(12):
            await store.record(*episodes(store.clock, f"fp-{number}-{turn % 3}", 1 + turn, lasts_s=1 + number))

    async def count() -> None:
        while not done.is_set():
            await store.counter(block=7, store=rollups).count()
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        counters = [tasks.create_task(count()) for _ in range(2)]
        async with _stalled(store):
            async with asyncio.TaskGroup() as writers:
                for number in range(6):
                    writers.create_task(write(number))
            # What is numbered after the stalled event is committed and was looked at.
            await store.counter(block=7, store=rollups).count()
        await store.record(*episodes(store.clock, "last", 1))
        done.set()
        await asyncio.gather(*counters)
    await store.counter(store=rollups).count_all()


@contextlib.asynccontextmanager
async def _stalled(store: Bench) -> AsyncIterator[None]:
    """Hold a transaction open that numbered its event before all that the block commits, and commit it afterwards."""
    await store.record(*episodes(store.clock, "stalled", 1))
    started, release = asyncio.Event(), asyncio.Event()

    async def stall(connection: AsyncConnection) -> None:
        copied = [column for column in events.c if column.name not in {"seq", "txid", "event_id"}]
        names = ", ".join(column.name for column in copied)
        await connection.execute(
            text(
                f"INSERT INTO events (seq, txid, event_id, {names})"
                f" SELECT nextval('event_seqs'), pg_current_xact_id()::text::bigint, 'stalled', {names}"
                " FROM events WHERE kind = 'fired' ORDER BY seq DESC LIMIT 1"
            )
        )
        started.set()
        await release.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store.database.write(stall))
        await started.wait()
        try:
            yield
        finally:
            release.set()


class _BySequence(SqlRollupStore):
    """Counts by sequence number alone, as if that were the order of commits."""

    async def uncounted(self, position: Position, *, limit: int) -> Uncounted:
        async def read(connection: AsyncConnection) -> Uncounted:
            found = await uncounted(connection, self._dialect, Position(0, 0), limit=100_000, is_final=False)
            later = sorted((each for each in found.events if each.position.seq > position.seq), key=lambda e: e[0].seq)
            return replace(found, events=later[:limit], is_last=len(later) <= limit)

        return await self._database.read(read)


async def test_every_event_is_counted_once_beside_commits_and_a_stalled_one(postgres_store: Bench) -> None:
    await _race(postgres_store, postgres_store.rollups)

    fired = sum(event.is_opening for event in await postgres_store.log())
    assert await _counted(postgres_store) == fired
    assert await _fired(postgres_store) == fired


async def test_counting_by_sequence_alone_would_skip_what_stalls(postgres_store: Bench) -> None:
    await _race(postgres_store, _BySequence(postgres_store.database))

    assert await _counted(postgres_store) < sum(event.is_opening for event in await postgres_store.log())


async def test_reports_include_events_that_are_committed_but_not_final(postgres_store: Bench) -> None:
    async with _stalled(postgres_store):
        await postgres_store.record(*episodes(postgres_store.clock, "a", 5))
        await postgres_store.counter().count()

        assert await _fired(postgres_store) == 6
        assert await _counted(postgres_store) == 1
    assert await _fired(postgres_store) == 7


async def test_reports_never_see_half_of_a_block(store: Bench) -> None:
    await store.record(*episodes(store.clock, "a", 60))

    async def count() -> None:
        counter = store.counter(block=5)
        await counter.count_all()

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count())
        seen = set()
        while not counting.done():
            seen.add(await _fired(store))
    assert seen == {60}


async def test_two_counters_count_once(store: Bench) -> None:
    await store.record(*(each for name in "abcdef" for each in episodes(store.clock, name, 30)))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(store.counter(block=11).count_all())

    assert await _counted(store) == 180
    assert store.tally.events == 360


class _MovesFirst(SqlRollupStore):
    """Moves the position in a transaction of its own, before the counts."""

    async def add(self, folded: Folded, *, since: Position) -> bool:
        assert folded.position is not None
        moved = update(rollup_progress).values(txid=folded.position.txid, seq=folded.position.seq)
        await self._database.write(lambda connection: connection.execute(moved))
        return await super().add(folded, since=folded.position)


async def _fail_midway(store: Bench, rollups: SqlRollupStore) -> None:
    """Count, but lose the database when half of a block is written; then count what is left."""

    async def rename(name: str, to: str) -> None:
        await store.database.write(lambda connection: connection.execute(text(f"ALTER TABLE {name} RENAME TO {to}")))

    await store.record(*episodes(store.clock, "a", 10))
    await rename("rollup_alert_days", "away")
    with pytest.raises((DBAPIError, StoreUnavailableError)):
        await store.counter(store=rollups).count()
    await rename("away", "rollup_alert_days")
    await store.counter(store=rollups).count_all()


async def test_a_block_that_breaks_off_is_counted_again_from_its_begin(store: Bench) -> None:
    await _fail_midway(store, store.rollups)

    assert await _counted(store) == 10


async def test_a_position_that_moved_first_would_lose_the_block(store: Bench) -> None:
    await _fail_midway(store, _MovesFirst(store.database))

    assert await _counted(store) == 0


async def test_a_killed_rebuild_counts_nothing_twice(migrated_url: URL, store: Bench) -> None:
    for number in range(10):
        await store.record(*(each for name in "abcd" for each in episodes(store.clock, f"{name}{number % 7}", 25)))
    database = migrated_url.render_as_string(hide_password=False)
    settings = {"ALERTHISTORY_HISTORY_DATABASE_URL": database, "ALERTHISTORY_HISTORY_ROLLUP_BLOCK_EVENTS": "10"}

    for counted in (1, 60):
        process = await asyncio.create_subprocess_exec(
            script("alerthistory-history"), "rollups", "rebuild", env={**clean_environment(), **settings}
        )
        await eventually(lambda: _reaches(store, counted))  # noqa: B023  # Awaited here.
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert await _counted(store) < sum(event.is_opening for event in await store.log())
    await store.counter(block=500).count_all()

    assert await _counted(store) == sum(event.is_opening for event in await store.log())


async def _reaches(store: Bench, count: int) -> bool:
    return count <= await _counted(store) < 4000


async def test_the_log_is_rebuilt_by_a_command(migrated_url: URL, store: Bench) -> None:
    await store.record(*episodes(store.clock, "a", 30))
    await store.counter().count_all()
    await store.database.write(lambda connection: connection.execute(update(rollup_days).values(opened=999)))

    process = await asyncio.create_subprocess_exec(
        script("alerthistory-history"),
        "rollups",
        "rebuild",
        env={
            **clean_environment(),
            "ALERTHISTORY_HISTORY_DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        },
    )

    assert await process.wait() == 0
    assert await _counted(store) == 30


async def test_reports_of_a_log_that_is_far_from_counted_are_refused(store: Bench) -> None:
    behind = Reports(SqlReportStore(store.database, most_uncounted=10), store.clock)
    await store.record(*episodes(store.clock, "a", 10))

    with pytest.raises(UnavailableError) as refused:
        await behind.top_names(Asked(wanted=ReportFilter()), Order.FIRED)
    assert refused.value.reason == "REPORTS_BEHIND"
    await store.counter().count_all()
    assert (await behind.top_names(Asked(wanted=ReportFilter()), Order.FIRED)).items[0].fired == 10


async def test_the_service_counts_and_tells_its_lag(history: History) -> None:
    await history.record(firing("a"))

    async def is_counted() -> bool:
        return history.metric("alerthistory_history_rollup_events_total") == 1

    await eventually(is_counted)
    assert history.metric("alerthistory_history_rollup_lag_seconds") == 0


async def test_old_counts_are_deleted_in_bounded_steps(store: Bench) -> None:
    await store.record(*episodes(store.clock, "old", 3), *episodes(store.clock, "fires", 3), firing("fires"))
    store.clock.advance(10 * 86_400)
    await store.record(*episodes(store.clock, "new", 3))
    await store.counter().count_all()
    today = DAY.period(store.clock.micros)

    steps = []
    while deleted := await store.rollups.delete_before(today, limit=4):
        steps.append(deleted)

    assert len(steps) > 1
    assert max(steps) <= 4
    assert await _rows(store) == {"rollup_alerts": 2, "rollup_alert_days": 1}
    store.clock.advance(60)
    await store.record(resolved("fires", 0, 864_060, 864_060))
    await store.counter().count_all()
    names = await store.reports.top_names(Asked(wanted=ReportFilter()), Order.FIRED)
    assert [(top.fired, top.resolved) for top in names.items] == [(3, 4)]


async def _rows(store: Bench) -> dict[str, int]:
    async def count(connection: AsyncConnection) -> dict[str, int]:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (rollup_alerts, rollup_alert_days)
        }

    return await store.database.read(count)
