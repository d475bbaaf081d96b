"""Every list by every single filter is found by its index, however large history is: PostgreSQL says so itself.

A hundred thousand events are enough for its planner to shun whole tables; PLAN_EVENTS asks for more.
"""

import os
import re
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import URL

from tests.databases import new_database
from tests.integration.history.harness import migrate_store
from tests.load.dataset import Past, fill
from tests.load.questions import PAGE, Question, Recorder, questions, recorded

_EVENTS = int(os.environ.get("PLAN_EVENTS", "100000"))
# Two thousand alerts are read faster as a whole; twenty thousand, those of a million events, are not.
_LARGE = "alerts|occurrences|events" if _EVENTS >= 1_000_000 else "occurrences|events"
_WHOLE_TABLE = re.compile(rf"Seq Scan on (?:{_LARGE})")

Filled = tuple[URL, Past, int]


@pytest.fixture(scope="module")
def filled(postgres: URL) -> Iterator[Filled]:
    """Return a database with a past, and the moment at which it ends."""
    with new_database(postgres) as url:
        migrate_store(url)
        now_us = time.time_ns() // 1000
        yield url, fill(url, events=_EVENTS, now_us=now_us), now_us


def _connect(url: URL) -> "psycopg.Connection[tuple[str]]":
    libpq = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(libpq, options="-c search_path=history")


def _plans(connection: "psycopg.Connection[tuple[str]]", recorder: Recorder) -> str:
    """Return the plans of the recorded statements."""
    return "\n".join(
        "\n".join(line for (line,) in connection.execute(f"EXPLAIN {statement}", parameters))
        for statement, parameters in recorder.statements
        if re.search(r"FROM (?:alerts|occurrences|events)", statement)
    )


def _faults(question: Question, plans: str) -> list[str]:
    faults = _WHOLE_TABLE.findall(plans)
    return faults if re.search(question.index, plans) else [*faults, f"does not use {question.index}"]


async def _explained(
    filled: Filled, connection: "psycopg.Connection[tuple[str]]", is_asked: Callable[[Question], bool]
) -> dict[str, list[str]]:
    """Return what is wrong with the plans of page 1 and of the page after it, by question."""
    url, past, now_us = filled
    wrong = {}
    async with recorded(url) as recorder:
        for question in filter(is_asked, questions(recorder.database, past, now_us)):
            recorder.statements.clear()
            _, after = await question.ask(None, PAGE)
            await question.ask(after, PAGE)
            if faults := _faults(question, _plans(connection, recorder)):
                wrong[question.name] = faults
    return wrong


async def test_every_question_is_answered_by_its_index(filled: Filled) -> None:
    with _connect(filled[0]) as connection:
        assert await _explained(filled, connection, lambda _: True) == {}


async def test_without_its_index_a_question_is_found_out(filled: Filled) -> None:
    with _connect(filled[0]) as connection:
        # Only this transaction, which is rolled back, sees the index gone.
        connection.execute("DROP INDEX ix_occurrences_severity")
        plans = connection.execute(
            "EXPLAIN SELECT * FROM occurrences WHERE substr(severity_label, 1, 200) = 'absent' ORDER BY starts_us DESC"
        ).fetchall()
        connection.rollback()

    question = Question(name="by severity", index="ix_occurrences_severity", ask=_unasked)
    assert _faults(question, "\n".join(line for (line,) in plans))


async def _unasked(_: object, __: int) -> tuple[int, object]:
    raise NotImplementedError
