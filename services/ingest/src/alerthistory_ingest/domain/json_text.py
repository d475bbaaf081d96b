"""JSON as the legacy contract reads and writes it."""

import json
import re
from itertools import chain

from alerthistory_ingest.domain.payload import BrokenAlertError, RejectedPayloadError

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

MAX_DEPTH = 100
_TOO_DEEP = f"the JSON is nested more than {MAX_DEPTH} levels deep"
_BLANKS = re.compile(r"[ \t\n\r]*")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
# Newer Pythons say more about a trailing comma; the contract keeps the texts of 3.11.
_TRAILING_COMMA = {
    "Illegal trailing comma before end of object": "Expecting property name enclosed in double quotes",
    "Illegal trailing comma before end of array": "Expecting value",
}
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}


def decode(body: bytes) -> Json:
    """Return the JSON value in *body*; raise RejectedPayloadError with the contract's text when there is none.

    What is nested too deeply for the parser is refused here, and by ``encode`` what is nested too deeply to be stored.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RejectedPayloadError(str(error)) from error
    try:
        value: Json = json.loads(text)
    except json.JSONDecodeError as error:
        raise RejectedPayloadError(_contract_text(error)) from error
    except RecursionError as error:
        raise RejectedPayloadError(_TOO_DEEP) from error
    except ValueError as error:
        raise RejectedPayloadError("the JSON holds an integer of more than 4300 digits") from error
    return value


def encode(value: Json) -> bytes:
    """Return *value* as the contract shows it: compact, keys sorted at every level, non-ASCII raw.

    Raises BrokenAlertError for what not every JSON reader would take back: NaN, infinities, lone surrogates, and more
    than MAX_DEPTH levels.
    """
    try:
        written = _ENCODER.encode(value).encode()
    except UnicodeEncodeError as error:
        raise BrokenAlertError("a text holds a lone surrogate, which is no character") from error
    except ValueError as error:
        raise BrokenAlertError("NaN and infinite numbers cannot be stored") from error
    except RecursionError as error:
        raise BrokenAlertError(_TOO_DEEP) from error
    # A value cannot be deeper than it has brackets: most need no closer look.
    if written.count(b"[") + written.count(b"{") > MAX_DEPTH and _is_too_deep(value):
        raise BrokenAlertError(_TOO_DEEP)
    return written


def kind_of(value: Json) -> str:
    """Return what *value* is, in words for people."""
    return _KINDS.get(type(value), "a number")


def is_unicode(text: str) -> bool:
    """Whether *text* can be sent and stored; lone surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _contract_text(error: json.JSONDecodeError) -> str:
    if error.msg not in _TRAILING_COMMA:
        return str(error)
    end = _BLANKS.match(error.doc, error.pos + 1)
    position = end.end() if end else error.pos
    return str(json.JSONDecodeError(_TRAILING_COMMA[error.msg], error.doc, position))


def _is_too_deep(value: Json) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        children = chain.from_iterable(each.values() if isinstance(each, dict) else each for each in level)
        level = [child for child in children if isinstance(child, dict | list)]
    return bool(level)
