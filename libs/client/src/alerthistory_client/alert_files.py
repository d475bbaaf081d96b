"""Alerts to judge, as people have them in files: webhook bodies, arrays of Prometheus, single alerts, JSON lines.

An alert is an object with ``labels`` and ``annotations``. Beside what Alertmanager and Prometheus put there it may have
``history``, what its past says about it, and ``expect``, the severity that it should get.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from alerthistory_client.verdict_records import Case
from alerthistory_common.alerts import (
    ZERO_TIME,
    AlertEvent,
    EventKind,
    Fingerprint,
    HistoryContext,
    Instant,
    Severity,
)
from alerthistory_common.errors import InvalidArgumentError
from alerthistory_common.fingerprints import alertmanager_fingerprint, legacy_fingerprint

_HISTORY = ("times_fired", "median_duration_s", "flaps_per_hour")
_OURS = frozenset({"history", "expect"})
_SEVERITIES = ", ".join(Severity)
_WANTED = 'a webhook body {"alerts": […]}, an array of alerts, an alert {"labels": {…}}, or one of them a line'
_LONGEST_S = 1e10  # More than 300 years.


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledAlert:
    """One alert of a file, as a case that it fires now, and the severity that is expected, if any is.

    ``alert_json`` is what the file says of it, as an element of a webhook payload's ``alerts``.
    """

    case: Case
    expected: Severity | None
    alert_json: bytes


def read_alerts(body: bytes, *, now: Instant) -> list[FiledAlert]:
    """Return the alerts in *body*, in their order; at least one.

    Raises InvalidArgumentError that says where what is wrong, such as ``alerts[2]: labels must be an object``.
    """
    found = [_filed(where, alert, now, is_webhook=is_webhook) for where, alert, is_webhook in _elements(body)]
    if not found:
        raise InvalidArgumentError(f"holds no alert: give {_WANTED}")
    return found


def _elements(body: bytes) -> Iterator[tuple[str, Any, bool]]:
    """Yield where each alert is, the alert, and whether a webhook holds it."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"is not UTF-8 (byte {error.start})") from error
    if not text.strip():
        raise InvalidArgumentError("is empty")
    if not _is_lines(text):
        yield from _alerts_of("", _parsed(text))
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield from _alerts_of(f"line {number}", _parsed_line(line, number))


def _is_lines(text: str) -> bool:
    """Whether every line is a document: the first one is, and something follows it."""
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip():
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"is not JSON: {error}") from error


def _parsed_line(line: str, number: int) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidArgumentError(f"line {number} column {error.colno} is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"line {number} is not JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _alerts_of(where: str, content: Any) -> Iterator[tuple[str, Any, bool]]:
    match content:
        case {"alerts": list(alerts)}:
            yield from ((_at(where, f"alerts[{index}]"), each, True) for index, each in enumerate(alerts))
        case {"alerts": _}:
            raise InvalidArgumentError(f"{_at(where, 'alerts')} must be a list")
        case {"labels": _}:
            yield where, content, False
        case list():
            yield from ((_at(where, f"[{index}]"), each, False) for index, each in enumerate(content))
        case _:
            raise InvalidArgumentError(f"{_at(where, 'there')} is no alert: give {_WANTED}")


def _at(where: str, what: str) -> str:
    return f"{where}: {what}" if where else what


def _filed(where: str, alert: Any, now: Instant, *, is_webhook: bool) -> FiledAlert:
    try:
        return FiledAlert(
            case=Case(event=_event(alert, now, is_webhook=is_webhook), history=_history(alert.get("history"))),
            expected=_expected(alert.get("expect")),
            alert_json=json.dumps({name: value for name, value in alert.items() if name not in _OURS}).encode(),
        )
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(_at(where, "a text holds a lone surrogate, which is no character")) from error
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(_at(where, str(error))) from error


def _event(alert: Any, now: Instant, *, is_webhook: bool) -> AlertEvent:
    if not isinstance(alert, dict):
        raise ValueError('an alert must be an object {"labels": {…}}')  # noqa: TRY004  # Of the file, not of the caller.
    labels, annotations = _object(alert, "labels"), _object(alert, "annotations")
    if not labels:
        raise ValueError("an alert needs labels")
    labels_json = _encoded(labels)
    fingerprint = _fingerprint(alert.get("fingerprint"), labels, is_webhook=is_webhook)
    return AlertEvent(
        event_id=event_id(fingerprint, labels_json),
        cursor="",
        kind=EventKind.FIRED,
        fingerprint=fingerprint,
        alert_name=str(labels.get("alertname", "unknown")),
        starts_at=_starts_at(alert.get("startsAt"), now),
        ends_at=None,
        labels_json=labels_json,
        annotations_json=_encoded(annotations),
        generator_url=_url(alert.get("generatorURL")),
        occurred_at=now,
        received_at=now,
        sender="ahctl",
    )


def event_id(fingerprint: Fingerprint, *content: bytes) -> str:
    """Return an identity for an event that history does not have: the same for the same alert and content."""
    digest = hashlib.sha256(fingerprint.encode())
    for each in content:
        digest.update(b"\xff" + each)
    return digest.hexdigest()[:32]


def _object(alert: dict[str, Any], name: str) -> dict[str, Any]:
    value = alert.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")  # noqa: TRY004  # As above.
    return value


def _encoded(value: dict[str, Any]) -> bytes:
    """Return *value* as ingest keeps it: compact, keys sorted, non-ASCII raw."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def _fingerprint(given: Any, labels: dict[str, Any], *, is_webhook: bool) -> Fingerprint:
    """Return the identity that ingest gives to the alert, so that overrides and verdicts about it are found."""
    if given:
        if not isinstance(given, str):
            raise ValueError("fingerprint must be a text")
        given.encode()  # Raises when it is none that can be sent.
        return Fingerprint(given)
    texts = {name: value for name, value in labels.items() if isinstance(value, str)}
    if is_webhook or len(texts) < len(labels):
        return legacy_fingerprint(labels)
    return alertmanager_fingerprint({name: value for name, value in texts.items() if value})


def _starts_at(value: Any, now: Instant) -> Instant:
    if value is None or value == "":
        return now
    try:
        moment = datetime.fromisoformat(value)
        start = Instant.from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("startsAt is no time: write 2026-11-25T14:00:00Z") from error
    return now if start == ZERO_TIME else start


def _url(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("generatorURL must be a text")  # noqa: TRY004  # As above.
    value.encode()  # Raises when it is none that can be sent.
    return value


def _history(value: Any) -> HistoryContext:
    if value is None:
        return HistoryContext()
    if not isinstance(value, dict):
        raise ValueError("history must be an object")  # noqa: TRY004  # As above.
    for name in value.keys() - set(_HISTORY):
        raise ValueError(f"history has no key {name!r}: it takes {', '.join(_HISTORY)}")
    times_fired = _number(value, "times_fired") or 0
    if times_fired != int(times_fired):
        raise ValueError("history.times_fired must be a whole number")
    seconds = _number(value, "median_duration_s")
    return HistoryContext(
        times_fired=int(times_fired),
        median_duration=None if seconds is None else timedelta(seconds=seconds),
        flaps_per_hour=float(_number(value, "flaps_per_hour") or 0),
    )


def _number(history: dict[str, Any], name: str) -> float | None:
    value = history.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST_S:
        raise ValueError(f"history.{name} must be a number, 0 or more")
    return value


def _expected(value: Any) -> Severity | None:
    if value is None:
        return None
    try:
        return Severity(value)
    except ValueError as error:
        raise ValueError(f"expect must be one of {_SEVERITIES}") from error
