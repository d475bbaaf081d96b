"""The words of the JSON parser are those of CPython 3.11 on every Python."""

import json

import pytest

from alerthistory_gateway.legacy.json_errors import Complaint, complaint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1,}', Complaint("Expecting property name enclosed in double quotes", 7)),
        ('{"a":1, \n }', Complaint("Expecting property name enclosed in double quotes", 10)),
        ("[1,]", Complaint("Expecting value", 3)),
        ("[1, ]", Complaint("Expecting value", 4)),
        ("[1,", Complaint("Expecting value", 3)),
        ("{}x", Complaint("Extra data", 2)),
    ],
)
def test_complaints_of_this_python(text: str, expected: Complaint) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    assert complaint(caught.value) == expected


@pytest.mark.parametrize(
    ("message", "text", "comma", "expected"),
    [
        ("Illegal trailing comma before end of object", '{"a":1, \n }', 6, "Expecting property name enclosed in double quotes"),  # noqa: E501
        ("Illegal trailing comma before end of array", "[1, \t]", 2, "Expecting value"),
    ],
)  # fmt: skip
def test_complaints_about_trailing_commas_of_later_pythons(message: str, text: str, comma: int, expected: str) -> None:
    assert complaint(json.JSONDecodeError(message, text, comma)) == Complaint(expected, len(text) - 1)
