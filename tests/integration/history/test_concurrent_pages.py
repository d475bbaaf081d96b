"""Pages neither skip nor repeat while others commit, a stalled transaction among them: on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import URL

from alerthistory.history.v1 import history_service_pb2 as pb
from tests.integration.history.harness import TIMEOUT_S, History, firing, migrate_store, running

_BEFORE = 120
_COMMITS = 30
_STALLED = """
    INSERT INTO events (seq, txid, event_id, fp_hash, kind, episode, starts_us, ends_us, annotations_json,
                        generator_url, occurred_us, received_us, sender, traceparent)
    SELECT nextval('event_seqs'), pg_current_xact_id()::text::bigint, 'stalled', fp_hash, kind, episode, starts_us,
           ends_us, annotations_json, generator_url, occurred_us, received_us, sender, traceparent
      FROM events ORDER BY seq LIMIT 1
"""


@pytest.fixture
async def postgres_history(postgres_url: URL) -> AsyncIterator[History]:
    """Return a replica on PostgreSQL that holds some occurrences."""
    migrate_store(postgres_url)
    async with running(postgres_url) as replica:
        await replica.record(*(firing(f"old-{number}", number) for number in range(_BEFORE)))
        yield replica


async def _write(history: History, writer: int) -> None:
    for number in range(_COMMITS):
        await history.record(firing(f"new-{writer}-{number}", _BEFORE + number))


async def _events(history: History) -> list[str]:
    """Return the identities of the events, oldest first, page by page."""
    found: list[str] = []
    token: str | None = None
    while token != "":
        request = pb.ListEventsRequest(page_size=7, page_token=token or "")
        answer = await history.stub.ListEvents(request, timeout=TIMEOUT_S)
        found += [event.event_id for event in answer.events]
        token = answer.next_page_token
    return found


async def test_pages_of_events_end_where_a_stalled_transaction_may_still_come_in(
    postgres_history: History, postgres_url: URL
) -> None:
    libpq = postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = "-c search_path=history"
    async with (
        await psycopg.AsyncConnection.connect(libpq, options=options) as stalled,
        await psycopg.AsyncConnection.connect(libpq, options=options, autocommit=True) as naive,
    ):
        await stalled.execute(_STALLED)
        async with asyncio.TaskGroup() as tasks:
            for writer in range(3):
                tasks.create_task(_write(postgres_history, writer))
            while_written = await _events(postgres_history)
        while_stalled = await _events(postgres_history)
        committed = await (await naive.execute("SELECT event_id FROM events ORDER BY txid, seq")).fetchall()
        await stalled.commit()
    every = await _events(postgres_history)

    assert len(every) == len(set(every)) == _BEFORE + 3 * _COMMITS + 1
    for found in (while_written, while_stalled):
        assert found == every[: len(found)]
    # What is merely committed is no beginning: who had read it would never see the stalled event.
    seen = [event_id for (event_id,) in committed]
    assert seen != every[: len(seen)]


async def test_a_tail_gets_the_event_of_a_stalled_transaction_in_its_place(
    postgres_history: History, postgres_url: URL
) -> None:
    libpq = postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)
    total = _BEFORE + 3 * _COMMITS + 1
    tailed: list[str] = []

    async def follow() -> None:
        call = postgres_history.stub.TailEvents(pb.TailEventsRequest(cursor="0-0"))
        while len(tailed) < total:
            answer = await call.read()
            assert isinstance(answer, pb.TailEventsResponse)
            tailed.extend(event.event_id for event in answer.events)
        call.cancel()

    async with (
        asyncio.timeout(TIMEOUT_S),
        await psycopg.AsyncConnection.connect(libpq, options="-c search_path=history") as stalled,
        asyncio.TaskGroup() as tasks,
    ):
        await stalled.execute(_STALLED)
        tasks.create_task(follow())
        await asyncio.gather(*(_write(postgres_history, writer) for writer in range(3)))
        while_stalled = list(tailed)
        await stalled.commit()

    assert len(while_stalled) <= _BEFORE
    assert tailed == await _events(postgres_history)


async def test_occurrences_that_were_there_are_listed_once_while_others_are_written(postgres_history: History) -> None:
    found: list[str] = []
    token: str | None = None
    async with asyncio.TaskGroup() as tasks:
        for writer in range(3):
            tasks.create_task(_write(postgres_history, writer))
        while token != "":
            request = pb.ListOccurrencesRequest(page_size=7, page_token=token or "")
            answer = await postgres_history.stub.ListOccurrences(request, timeout=TIMEOUT_S)
            found += [each.fingerprint for each in answer.occurrences]
            token = answer.next_page_token

    assert len(found) == len(set(found))
    assert [each for each in found if each.startswith("old")] == [f"old-{n}" for n in reversed(range(_BEFORE))]
