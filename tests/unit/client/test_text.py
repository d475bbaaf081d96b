"""Texts for people."""

import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_client.text import age, in_words, safe, safe_lines, size
from alerthistory_common.alerts import Instant


@given(st.text())
def test_safe_text_moves_no_cursor_and_reorders_nothing(text: str) -> None:
    categories = {unicodedata.category(each) for each in safe(text)}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_safe_text_shows_what_it_escaped() -> None:
    assert safe("a\x1b[2Jb\u202ec\nd\ud800") == "a\\x1b[2Jb\\u202ec\\nd\\ud800"


def test_safe_text_keeps_what_people_write() -> None:
    assert safe("Größe – 日本 🔥 [red]") == "Größe – 日本 🔥 [red]"


def test_safe_text_is_cut() -> None:
    assert safe("x" * 500, limit=5) == "xxxx…"


def test_safe_lines_end_at_line_feeds_only() -> None:
    assert safe_lines("\na\r\nb\rc\u2028d\x1b\n\n") == ["a", "b\\rc\\u2028d\\x1b"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a moment"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_spans_in_words(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


def test_age_of_a_moment_to_come() -> None:
    assert age(Instant(300_000_000), Instant(0)) == "in 5 minutes"


@pytest.mark.parametrize(("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1_234_567, "1.2 MB")])
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words
