"""Columns of legacy rows as values, and rows as alerts and classifications.

Every function raises UnusableRowError, which names the column, for what cannot be used.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from alerthistory_client.legacy.tables import ReadRow, UnusableRowError
from alerthistory_client.records import Classification, PastAlert
from alerthistory_common.alerts import Fingerprint, Instant, Severity, Verdict

T = TypeVar("T")

_MAX_ALERT_BYTES = 16 * 1024 * 1024
_MAX_PROCESSING_S = 1e9
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read_row(row: Sequence[Any], make: Callable[[Mapping[str, Any]], T], names: Sequence[str]) -> ReadRow[T]:
    """Return what *make* makes of a row, whose first column is its id and whose others are called *names*."""
    row_id, *values = row
    try:
        return ReadRow(row_id=row_id, content=make(dict(zip(names, values, strict=True))))
    except UnusableRowError as error:
        return ReadRow(row_id=row_id, problem=str(error))


def past_alert(alert_json: bytes, received_at: Instant) -> PastAlert:
    """Return an alert of the past."""
    if len(alert_json) > _MAX_ALERT_BYTES:
        raise UnusableRowError(f"the alert takes more than {_MAX_ALERT_BYTES} bytes")
    return PastAlert(alert_json=alert_json, received_at=received_at)


def alert_json(columns: Mapping[str, Any]) -> bytes:
    """Return the alert in *columns* as an element of a webhook payload's ``alerts``.

    The columns are named as the members, and hold texts; ``labels`` and ``annotations`` hold JSON, which goes in as it
    is. What is None is left out.
    """
    if columns["labels"] is None:
        raise UnusableRowError("labels is null")
    members: list[str] = []
    for name, value in columns.items():
        if value is not None:
            content = json_text(value, name) if name in {"labels", "annotations"} else json.dumps(text(value, name))
            members.append(f'"{name}":{content}')
    return f"{{{','.join(members)}}}".encode()


def text(value: Any, name: str) -> str:
    """Return a column as text. SQLite's are bytes, so that one that is no UTF-8 spoils no other."""
    if value is None:
        raise UnusableRowError(f"{name} is null")
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise UnusableRowError(f"{name} is not UTF-8") from error


def json_text(value: Any, name: str) -> str:
    """Return the JSON text in a column, as it is."""
    content = text(value, name)
    json_value(content, name)
    return content


def json_value(content: str, name: str) -> Any:
    """Return the JSON value in *content*."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnusableRowError(f"{name} is not JSON") from error


def moment(value: Any, name: str) -> Instant:
    """Return the time in a column: ISO 8601; one without a zone is in UTC."""
    content = text(value, name)
    try:
        found = datetime.fromisoformat(content)
        return Instant.from_datetime(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise UnusableRowError(f"{name} is not a time") from error


def classification(columns: Mapping[str, Any]) -> Classification:
    """Return the classification in *columns*, which are named as those of the older service's table in SQLite."""
    fingerprint = text(columns["fingerprint"], "fingerprint")
    if not fingerprint:
        raise UnusableRowError("fingerprint is empty")
    metadata = _metadata(columns["metadata"])
    verdict = Verdict(
        severity=_severity(columns["severity"]),
        confidence=_confidence(columns["confidence"]),
        reasoning="" if columns["reasoning"] is None else text(columns["reasoning"], "reasoning"),
        recommendations=_recommendations(columns["recommendations"]),
        source=_source(metadata),
        processing_time=_processing_time(columns["processing_time"]),
    )
    return Classification(
        fingerprint=Fingerprint(fingerprint),
        alert_name="" if columns["alert_name"] is None else text(columns["alert_name"], "alert_name"),
        verdict=verdict,
        created_at=moment(columns["created_at"], "created_at"),
        metadata_json=_json_bytes(metadata, "metadata") if metadata else b"",
    )


def _severity(value: Any) -> Severity:
    name = text(value, "severity").strip().lower()
    if name not in set(Severity):
        raise UnusableRowError("severity is none of critical, warning, info and noise")
    return Severity(name)


def _confidence(value: Any) -> float:
    confidence = _number(value, "confidence")
    if not 0 <= confidence <= 1:
        raise UnusableRowError("confidence is not within 0 and 1")
    return confidence


def _processing_time(value: Any) -> timedelta:
    seconds = 0.0 if value is None else _number(value, "processing_time")
    if not 0 <= seconds <= _MAX_PROCESSING_S:
        raise UnusableRowError("processing_time is not a number of seconds")
    return timedelta(seconds=seconds)


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnusableRowError(f"{name} is not a number") from error


def _recommendations(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    found = json_value(text(value, "recommendations"), "recommendations")
    if not isinstance(found, list):
        raise UnusableRowError("recommendations is not a list")
    return tuple(
        _unicode(each, "recommendations") if isinstance(each, str) else _json_bytes(each, "recommendations").decode()
        for each in found
    )


def _metadata(value: Any) -> dict[str, Any]:
    found = {} if value is None else json_value(text(value, "metadata"), "metadata")
    if not isinstance(found, dict | None):
        raise UnusableRowError("metadata is not an object")
    return found or {}


def _source(metadata: Mapping[str, Any]) -> str:
    """Return who judged: the model, the older service's own fallback, or nobody that is known."""
    model = metadata.get("model")
    if isinstance(model, str) and model and "\0" not in model:
        return _unicode(model, "metadata")
    return "fallback" if metadata.get("fallback") else "unknown"


def _json_bytes(value: Any, name: str) -> bytes:
    try:
        return _COMPACT.encode(value).encode()
    except UnicodeEncodeError as error:
        raise UnusableRowError(f"{name} holds a lone surrogate, which is no character") from error
    except ValueError as error:
        raise UnusableRowError(f"{name} holds a number that is not finite") from error


def _unicode(content: str, name: str) -> str:
    _json_bytes(content, name)
    return content
