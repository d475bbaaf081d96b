"""Odd types become text as SQLite made them text: SQLite itself is the judge."""

import sqlite3
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerthistory_ingest.domain.column_text import column_text
from alerthistory_ingest.domain.payload import BrokenAlertError


def _sqlite_text(value: object) -> object:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        text: object = connection.execute("SELECT a FROM t").fetchone()[0]
    connection.close()
    return text


@given(
    st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.booleans()
    # SQLite's own decimal digits are exact only where a double's are few.
    | st.builds(lambda digits, scale: float(f"{digits}e{scale}"), st.integers(-(10**14), 10**14), st.integers(-30, 30))
)
@example(-0.0)
@example(1e15)
@example(1e14)
@example(1e20)
@example(4.25)
@example(1e-5)
@example(0.1 + 0.2)
@example(1.0)
def test_numbers_become_the_text_that_sqlite_made(value: float) -> None:
    assert column_text(value, field="f") == _sqlite_text(value)


def test_texts_stay_as_they_are() -> None:
    for text in ("", "a\x00b", "é😀"):
        assert column_text(text, field="f") == text


@pytest.mark.parametrize(
    "value", [None, [], {}, ["a"], {"a": 1}, 2**63, -(2**63) - 1, 10**400, float("nan"), float("inf"), "a\ud800"]
)
def test_what_no_text_column_takes_is_broken(value: Any) -> None:
    with pytest.raises(BrokenAlertError, match=r"^the label "):
        column_text(value, field="the label alertname")
