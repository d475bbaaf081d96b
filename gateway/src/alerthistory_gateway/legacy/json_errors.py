"""The words in which a JSON parser complains; the contract froze those of CPython 3.11."""

import json
from typing import NamedTuple

_WHITE_SPACE = " \t\r\n"


class Complaint(NamedTuple):
    """What is wrong with a JSON text, and at which character."""

    message: str
    position: int


def complaint(error: json.JSONDecodeError) -> Complaint:
    """Return what CPython 3.11 would have said. Later versions word trailing commas differently."""
    if not error.msg.startswith("Illegal trailing comma"):
        return Complaint(error.msg, error.pos)
    position = error.pos + 1
    while error.doc[position : position + 1] and error.doc[position] in _WHITE_SPACE:
        position += 1
    is_object = error.msg.endswith("object")
    return Complaint("Expecting property name enclosed in double quotes" if is_object else "Expecting value", position)
