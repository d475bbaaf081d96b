"""JSON: the parser's texts, limits, and one way to write."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_ingest.domain.json_text import MAX_DEPTH, decode, encode
from alerthistory_ingest.domain.payload import BrokenAlertError, RejectedPayloadError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=30,
)


def _rejection(body: bytes) -> str:
    with pytest.raises(RejectedPayloadError) as caught:
        decode(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"a":1,}', "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)"),
        (b'{"a":1, \n }', "Expecting property name enclosed in double quotes: line 2 column 2 (char 10)"),
        (b"[1,]", "Expecting value: line 1 column 4 (char 3)"),
        (b"[1, \t]", "Expecting value: line 1 column 6 (char 5)"),
        (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
        (b'{"a":"\xe2\x82', "'utf-8' codec can't decode bytes in position 6-7: unexpected end of data"),
        (b'"\xed\xa0\x80"', "'utf-8' codec can't decode byte 0xed in position 1: invalid continuation byte"),
        (b'{"a":"\\ud83"}', "Invalid \\uXXXX escape: line 1 column 8 (char 7)"),
        (b'["a', "Unterminated string starting at: line 1 column 2 (char 1)"),
    ],
)
def test_parser_texts_are_those_of_the_contract(body: bytes, text: str) -> None:
    assert _rejection(body) == text


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000])
def test_nesting_that_cannot_be_read_is_rejected_with_a_clear_text(body: bytes) -> None:
    assert _rejection(body) == "the JSON is nested more than 100 levels deep"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 800, 100_000])
@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_deep_nesting_breaks_the_alert_that_holds_it(depth: int, wrap: Callable[[Any], Any]) -> None:
    value: Any = wrap(1)
    for _ in range(depth - 1):
        value = wrap(value)
    with pytest.raises(BrokenAlertError, match="the JSON is nested more than 100 levels deep"):
        encode(value)


def test_the_deepest_allowed_nesting_is_read_and_written() -> None:
    body = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert encode(decode(body)) == body


def test_brackets_in_texts_are_no_nesting() -> None:
    assert decode(b'["' + b"[" * 1000 + b'"]') == ["[" * 1000]


def test_huge_integers_are_kept_up_to_the_limit_and_rejected_beyond() -> None:
    assert encode(decode(b"9" * 4300)) == b"9" * 4300
    assert _rejection(b"9" * 4301) == "the JSON holds an integer of more than 4300 digits"


def test_keys_are_sorted_by_code_point_at_every_level_and_nothing_is_spaced() -> None:
    value: Any = {"b": [{"z": 1, "é": 2, "a": 3}], "": None, "B": {"😀": 1, "\uffff": 2}}
    assert encode(value).decode() == '{"":null,"B":{"\uffff":2,"😀":1},"b":[{"a":3,"z":1,"é":2}]}'


def test_only_what_must_be_escaped_is() -> None:
    text = '"\\\x00\x01\b\f\n\r\t\x1f\x7f\x85\u2028\u2029/é😀'
    assert encode(text).decode() == '"\\"\\\\\\u0000\\u0001\\b\\f\\n\\r\\t\\u001f\x7f\x85\u2028\u2029/é😀"'


def test_numbers_are_written_as_python_writes_them() -> None:
    assert encode([1.0, 1e-07, 9.4e-05, -0.0, 1e16, 2**70, True]) == (
        b"[1.0,1e-07,9.4e-05,-0.0,1e+16,1180591620717411303424,true]"
    )


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}])
def test_what_is_no_number_is_broken(value: Any) -> None:
    with pytest.raises(BrokenAlertError, match="NaN"):
        encode(value)


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["a", "b\ud83d"]])
def test_lone_surrogates_are_broken(value: Any) -> None:
    with pytest.raises(BrokenAlertError, match="surrogate"):
        encode(value)


@given(JSON_VALUES)
def test_what_is_written_reads_back_the_same_and_is_stable(value: Any) -> None:
    written = encode(value)
    assert json.dumps(decode(written), sort_keys=True) == json.dumps(value, sort_keys=True)
    assert encode(decode(written)) == written
