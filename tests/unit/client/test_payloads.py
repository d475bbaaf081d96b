"""Telling what a payload is."""

import pytest

from alerthistory_client.payloads import detect_format
from alerthistory_client.records import PayloadFormat
from alerthistory_common.errors import InvalidArgumentError


def test_an_object_comes_from_alertmanager() -> None:
    assert detect_format(b' {"alerts": []}\n') is PayloadFormat.ALERTMANAGER


def test_an_array_comes_from_prometheus() -> None:
    assert detect_format(b"[]") is PayloadFormat.PROMETHEUS


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"alerts": [}', "is not JSON: .*line 1 column 13"),
        (b'"text"', "is neither"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_neither_says_why(body: bytes, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        detect_format(body)
