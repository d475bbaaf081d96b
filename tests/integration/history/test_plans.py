"""Every list by every single filter is found by its index, however large history is: PostgreSQL says so itself.

A hundred thousand events are enough for its planner to shun whole tables; PLAN_EVENTS asks for more.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from tests.databases import new_database
from tests.integration.history.harness import migrate_store
from tests.load.dataset import Past, fill
from tests.load.questions import PAGE, Question, questions, recorded

_EVENTS = int(os.environ.get("PLAN_EVENTS", "100000"))
# Two thousand alerts are read faster as a whole, at a cost of less than 300, and so are empty partitions.
_WHOLE_TABLE = re.compile(r"Seq Scan on (?:alerts|occurrences|events)\S* .*\(cost=\S+\.\.(?:[3-9]\d\d|\d{4,})\.")

Filled = tuple[URL, Past, int]
Statements = Sequence[tuple[str, Any]]

_LISTED = r"FROM (?:alerts|occurrences|events)"


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


async def _statements(filled: Filled) -> Mapping[Question, Statements]:
    """Return what was asked of the database for page 1 and for the page after it, by question."""
    url, past, now_us = filled
    found = {}
    async with recorded(url) as recorder:
        for question in questions(recorder.database, past, now_us):
            recorder.statements.clear()
            _, after = await question.ask(None, PAGE)
            await question.ask(after, PAGE)
            found[question] = [each for each in recorder.statements if re.search(_LISTED, each[0])]
    return found


def _plans(connection: "psycopg.Connection[tuple[str]]", statements: Statements) -> str:
    return "\n".join(
        "\n".join(line for (line,) in connection.execute(f"EXPLAIN {statement}", parameters))
        for statement, parameters in statements
    )


def _faults(question: Question, plans: str) -> list[str]:
    faults = _WHOLE_TABLE.findall(plans)
    return faults if re.search(question.index, plans) else [*faults, f"does not use {question.index}"]


def _wrong(connection: "psycopg.Connection[tuple[str]]", asked: Mapping[Question, Statements]) -> dict[str, list[str]]:
    """Return what is wrong with the plans of each question, when something is."""
    found = {each.name: _faults(each, _plans(connection, statements)) for each, statements in asked.items()}
    return {name: faults for name, faults in found.items() if faults}


async def test_every_question_is_answered_by_its_index(filled: Filled) -> None:
    asked = await _statements(filled)
    with _connect(filled[0]) as connection:
        assert _wrong(connection, asked) == {}


@pytest.mark.parametrize(
    ("index", "question"),
    [
        ("ix_alerts_changed", "alerts: all"),
        ("ix_alerts_name", "events: name"),
        ("ix_occurrences_name", "occurrences: name"),
        ("ix_occurrences_firing", "occurrences: firing"),
        ("ix_events_alert", "events: alert"),
        ("ix_events_occurred", "events: time"),
        ("ix_events_order", "events: all"),
    ],
)
async def test_without_its_index_a_question_is_found_out(filled: Filled, index: str, question: str) -> None:
    asked = await _statements(filled)
    with _connect(filled[0]) as connection:
        # Only this transaction, which is rolled back, sees the index gone.
        connection.execute(f"DROP INDEX {index}")
        wrong = _wrong(connection, asked)
        connection.rollback()
    assert question in wrong
