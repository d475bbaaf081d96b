"""Retention: what is old goes, what is young, fires or waits stays, and nobody is held up."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory_common import alert_codec
from alerthistory_common.database import Database, open_database
from alerthistory_history.adapters.partition_store import SqlPartitionStore
from alerthistory_history.app import SCHEMA
from alerthistory_history.domain.retention import Week
from tests.integration.history.harness import (
    NOON,
    SECOND,
    TIMEOUT_S,
    History,
    ManualClock,
    eventually,
    firing,
    keeping,
    migrate_store,
    resolved,
    running,
)

_DAY_S = 86_400
_DAY = _DAY_S * SECOND


async def _names(history: History) -> list[str]:
    return sorted(each.fingerprint for each in await history.occurrences(page_size=1000))


async def _pass_pipeline(history: History) -> None:
    while work := await history.lease(max_count=1000):
        await history.complete(*work)


async def _grow_old(history: History, days: float = 40) -> float:
    """Let all work pass, and *days*; return how many seconds after NOON it is."""
    await _pass_pipeline(history)
    history.clock.advance(days * _DAY_S)
    return (history.clock.micros - NOON) / SECOND


async def _scalar(database: Database, query: str) -> int:
    return int(await database.read(lambda connection: connection.scalar(text(query))) or 0)


async def test_what_is_old_goes_and_what_is_young_or_fires_stays(history: History, migrated_url: URL) -> None:
    await history.record(firing("old"), resolved("old"), firing("burns"))
    now = await _grow_old(history)
    await history.record(firing("young", now, now), resolved("young", now, now + 1, now + 1))

    async with keeping(migrated_url, history.clock, days=30) as keeper:
        deleted = await keeper.delete_old()

    assert deleted == {"events": 2, "occurrences": 1, "alerts": 1, "quarantine": 0}
    assert await _names(history) == ["burns", "young"]
    assert (await history.kinds("burns"))[:1] == ["fired"]
    assert (await history.alert("burns")).is_firing
    assert await history.kinds("young") == ["fired", "resolved"]
    assert await history.kinds("old") == []


async def test_without_days_nothing_is_ever_deleted(history: History, migrated_url: URL) -> None:
    await history.record(firing("old"), resolved("old"))
    await _grow_old(history, days=4000)

    async with keeping(migrated_url, history.clock, days=None) as keeper:
        assert await keeper.delete_old() == {}

    assert await history.kinds("old") == ["fired", "resolved"]


async def test_pending_work_keeps_its_event_and_its_alert(history: History, migrated_url: URL) -> None:
    await history.record(firing("waits"), resolved("waits"))
    history.clock.advance(40 * _DAY_S)

    async with keeping(migrated_url, history.clock, days=30) as keeper:
        await keeper.delete_old()

    (work,) = await history.lease()
    assert (work.event.fingerprint, alert_codec.kind(work.event.kind).value) == ("waits", "fired")


async def test_what_was_imported_lately_is_young(history: History, migrated_url: URL) -> None:
    history.clock.advance(400 * _DAY_S)
    request = pb.ImportOccurrencesRequest(reports=[alert_codec.report_message(resolved("past"))])
    await history.stub.ImportOccurrences(request, timeout=TIMEOUT_S)
    history.clock.advance(20 * _DAY_S)

    async with keeping(migrated_url, history.clock, days=30) as keeper:
        assert (await keeper.delete_old())["occurrences"] == 0
        history.clock.advance(20 * _DAY_S)
        assert await keeper.delete_old() == {"events": 0, "occurrences": 1, "alerts": 1, "quarantine": 0}


async def test_an_alert_that_came_back_keeps_its_open_episode_alone(history: History, migrated_url: URL) -> None:
    await history.record(firing("a"), resolved("a"))
    now = await _grow_old(history)
    await history.record(firing("a", now, now))

    async with keeping(migrated_url, history.clock, days=30) as keeper:
        await keeper.delete_old()

    assert await history.kinds("a") == ["fired"]
    assert len(await history.occurrences(filter=pb.OccurrenceFilter(fingerprint="a"))) == 1
    assert (await history.alert("a")).is_firing


async def test_a_deleted_alert_may_fire_again(history: History, migrated_url: URL) -> None:
    await history.record(firing("a"), resolved("a"))
    now = await _grow_old(history)
    async with keeping(migrated_url, history.clock, days=30) as keeper:
        await keeper.delete_old()

    await history.record(firing("a", now, now))

    assert await history.kinds("a") == ["fired"]


async def test_the_plan_is_what_a_run_then_deletes(history: History, migrated_url: URL) -> None:
    await history.record(*(report for name in "abc" for report in (firing(name), resolved(name))), firing("burns"))
    now = await _grow_old(history)
    await history.record(firing("a", now, now), firing("young", now, now))

    async with keeping(migrated_url, history.clock, days=30) as keeper:
        plan = await keeper.plan()
        explored = await keeper.plan(days=365)
        deleted = await keeper.delete_old()
        nothing = await keeper.plan()

    assert {each.table: each.rows for each in plan.tables} == deleted
    assert deleted["events"] == 6
    assert all(each.bytes > 0 for each in plan.tables if each.rows)
    assert (explored.days, explored.configured_days) == (365, 30)
    assert not any(each.rows for each in [*explored.tables, *nothing.tables])


async def test_a_started_service_deletes_by_itself(migrated_url: URL) -> None:
    clock = ManualClock()
    async with running(migrated_url, clock) as history:
        await history.record(firing("old"), resolved("old"))
        await _grow_old(history)

    async with running(migrated_url, clock, retention_days=30) as history:

        async def is_gone() -> bool:
            return not await history.occurrences()

        await eventually(is_gone)
        sample = 'alerthistory_history_retention_deleted_rows_total{table="events"}'
        assert await eventually(lambda: _metric(history, sample)) == 2


async def _metric(history: History, sample: str) -> float:
    return history.metric(sample)


async def test_the_file_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    url = URL.create("sqlite+aiosqlite", database=str(path))

    migrate_store(url)
    async with running(url) as history:
        for first in range(0, 4000, 1000):
            names = [f"alert-{first + number}" for number in range(1000)]
            await history.record(*(r for n in names for r in (firing(n), resolved(n))), store_only=True)
        await _grow_old(history)
        async with keeping(url, history.clock, days=None) as off, keeping(url, history.clock, days=30) as keeper:
            await off.delete_old()
            before = path.stat().st_size
            await keeper.delete_old()

        assert path.stat().st_size < before / 4


class TestPartitions:
    """On PostgreSQL alone."""

    @pytest.fixture
    def migrated_url(self, postgres_url: URL) -> URL:

        migrate_store(postgres_url)
        return postgres_url

    async def test_they_are_made_ahead_and_take_what_lay_in_the_default_one(self, migrated_url: URL) -> None:
        clock = ManualClock()
        async with open_database(migrated_url, schema=SCHEMA) as database:
            await database.write(lambda connection: connection.execute(text(_ONE_EVENT.format(seq=1, at=NOON))))
            assert await _scalar(database, "SELECT count(*) FROM events_default") == 1

            partitions = SqlPartitionStore(database)
            made = await partitions.prepare(clock.now(), weeks_ahead=4)
            again = await partitions.prepare(clock.now(), weeks_ahead=4)

            assert list(made) == [week.name for week in Week.of(NOON).and_following(4)]
            assert not again
            assert await _scalar(database, "SELECT count(*) FROM events_default") == 0
            assert await _scalar(database, f"SELECT count(*) FROM {Week.of(NOON).name}") == 1

    async def test_beyond_them_nothing_fails(self, migrated_url: URL) -> None:
        async with open_database(migrated_url, schema=SCHEMA) as database:
            later = NOON + 5000 * _DAY
            await database.write(lambda connection: connection.execute(text(_ONE_EVENT.format(seq=1, at=later))))
            assert await _scalar(database, "SELECT count(*) FROM events") == 1

    async def test_they_are_dropped_whole_and_the_space_returns(self, history: History, migrated_url: URL) -> None:
        names = [f"alert-{number}" for number in range(2000)]
        await history.record(*(r for n in names for r in (firing(n), resolved(n))), store_only=True)
        await history.record(firing("burns"), store_only=True)
        await _grow_old(history)
        week = Week.of(NOON).name
        size = "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('events')"
        async with open_database(migrated_url, schema=SCHEMA) as database:
            before = await _scalar(database, size)
            async with keeping(migrated_url, history.clock, days=30) as keeper:
                assert (await keeper.delete_old())["events"] == 4000

            assert await _scalar(database, f"SELECT count(*) FROM pg_class WHERE relname = '{week}'") == 0
            assert await _scalar(database, size) < before / 2
        assert (await history.kinds("burns"))[0] == "fired"

    async def test_a_plain_drop_would_lose_what_fires(self, history: History, migrated_url: URL) -> None:
        await history.record(firing("burns"), store_only=True)
        async with open_database(migrated_url, schema=SCHEMA) as database:
            drop = text(f"DROP TABLE {Week.of(NOON).name}")

            async def is_made() -> int:
                return await _scalar(database, f"SELECT count(*) FROM pg_class WHERE relname = '{Week.of(NOON).name}'")

            await eventually(is_made)
            await database.write(lambda connection: connection.execute(drop))

        assert await history.kinds("burns") == []

    async def test_ingest_goes_on_beside_it(self, history: History, migrated_url: URL) -> None:
        for batch in range(3):
            names = [f"old-{batch}-{number}" for number in range(1000)]
            await history.record(*(r for n in names for r in (firing(n), resolved(n))), store_only=True)
        now = await _grow_old(history)
        slowest, sent = 0.0, 0
        done = asyncio.Event()

        async def post() -> None:
            nonlocal slowest, sent
            loop = asyncio.get_running_loop()
            while not done.is_set():
                names = [f"young-{sent}-{number}" for number in range(50)] + [f"old-0-{sent % 1000}"]
                begun = loop.time()
                answer = await history.record(*(firing(n, now, now) for n in names), store_only=True)
                slowest = max(slowest, loop.time() - begun)
                assert not any(result.refusal for result in answer.results)
                sent += 1

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(post())
            await eventually(lambda: _is_positive(lambda: sent))
            async with keeping(migrated_url, history.clock, days=30) as keeper:
                await keeper.delete_old()
            done.set()

        async with open_database(migrated_url, schema=SCHEMA) as database:
            young = f"SELECT count(*) FROM events WHERE occurred_us = {history.clock.micros}"
            assert await _scalar(database, young) == sent * 51
            firing_now = await _scalar(database, "SELECT count(*) FROM alerts WHERE is_firing")
            assert firing_now == sent * 50 + min(sent, 1000)
        # Commits take tens of milliseconds; a lock is waited for 250 ms at most.
        assert slowest < 5

    async def test_an_alert_that_is_deleted_between_a_commits_statements_is_made_anew(
        self, history: History, migrated_url: URL
    ) -> None:
        await history.record(firing("a"), resolved("a"), store_only=True)
        async with open_database(migrated_url, schema=SCHEMA) as database:

            async def delete_late(connection: object) -> asyncio.Task[pb.RecordAlertsResponse]:
                await connection.execute(text("SELECT 1 FROM alerts FOR UPDATE"))  # type: ignore[attr-defined]
                report = firing("a", 5, 5)
                task = asyncio.create_task(history.record(report, store_only=True))
                # Its INSERT finds the row; its SELECT waits for our lock.
                await eventually(lambda: _is_waiting(database))
                await connection.execute(text("DELETE FROM alerts"))  # type: ignore[attr-defined]
                return task

            answer = await (await database.write(delete_late))
        assert [result.decision for result in answer.results] == ["fired"]


async def _is_positive(count: object) -> bool:
    return bool(count())  # type: ignore[operator]


async def _is_waiting(database: Database) -> int:
    return await _scalar(database, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


_ONE_EVENT = (
    "INSERT INTO events (seq, txid, event_id, fp_hash, kind, episode, starts_us, annotations_json, occurred_us,"
    " received_us, sender, traceparent) VALUES ({seq}, 1, 'e', '\\x00', 'fired', 1, 0, '{{}}', {at}, {at}, '', '')"
)


async def test_counts_of_old_days_go_too(history: History, migrated_url: URL) -> None:
    await history.record(firing("old"), resolved("old"))
    now = await _grow_old(history)
    await history.record(firing("young", now, now), resolved("young", now, now + 1, now + 1))

    async def are_counted() -> bool:
        return history.metric("alerthistory_history_rollup_events_total") == 4

    await eventually(are_counted)
    async with keeping(migrated_url, history.clock, days=30) as keeper:
        await keeper.delete_old()

    async with open_database(migrated_url, schema=SCHEMA) as database:
        old = (NOON + 20 * _DAY) // _DAY
        assert await _scalar(database, f"SELECT count(*) FROM rollup_days WHERE period < {old}") == 0
        assert await _scalar(database, f"SELECT count(*) FROM rollup_hours WHERE period < {old * 24}") == 0
        assert await _scalar(database, "SELECT count(*) FROM rollup_alert_days") == 1
        assert await _scalar(database, "SELECT count(*) FROM rollup_alerts") == 1
