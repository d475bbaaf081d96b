"""Records as JSON for scripts: the keys are the fields' names, and stay as they are."""

import json
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

import msgspec

from alerthistory_common.alerts import Instant
from alerthistory_common.errors import AlertHistoryError


def plain(value: Any) -> Any:
    """Return *value* as what ``json.dumps`` takes.

    A field ``labels_json`` becomes the object ``labels``; times are ISO 8601 in UTC; ages are seconds; an error is its
    reason and message.
    """
    match value:
        case Instant():
            return value.iso_utc()
        case timedelta():
            return value.total_seconds()
        case AlertHistoryError():
            return {"error": {"reason": value.reason, "message": value.message}}
        case tuple() | list():
            return [plain(each) for each in value]
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case msgspec.Struct():
            return dict(_field(name, getattr(value, name)) for name in value.__struct_fields__)
    if is_dataclass(value):
        return dict(_field(field.name, getattr(value, field.name)) for field in fields(value))
    return value


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return *value* as JSON in plain ASCII, so that no terminal can be fooled by it."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=True).replace("\x7f", "\\u007f")


def parsed(content: bytes) -> Any:
    """Return the JSON value in *content*, or its text when it cannot be read; numbers unknown to JSON are texts."""
    try:
        return json.loads(content, parse_constant=str)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "backslashreplace")


def _field(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, bytes):
        return name.removesuffix("_json"), parsed(value)
    return name, plain(value)
