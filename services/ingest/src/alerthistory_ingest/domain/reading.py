"""Reading payloads: every good alert is kept, whatever stands beside it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from alerthistory_common.alerts import ZERO_TIME, Instant, Report
from alerthistory_ingest.domain import alertmanager, prometheus
from alerthistory_ingest.domain.json_text import Json, decode
from alerthistory_ingest.domain.payload import (
    MAX_LISTED_REFUSALS,
    BrokenAlertError,
    Origin,
    Payload,
    PayloadFormat,
    ReadAlert,
    ReadPayload,
    Refusal,
    RejectedPayloadError,
)

MAX_ALERT_BYTES = 4 * 1024 * 1024
_END_OF_TIME = Instant.from_datetime(datetime.max.replace(tzinfo=UTC))

_ReadAlert = Callable[[Json, Origin], tuple[str, Report]]


def read_payload(payload: Payload, *, traceparent: str, resolve_timeout: timedelta) -> ReadPayload:
    """Return what *payload* holds; never raises, whatever the bytes are.

    *traceparent* goes into every report. *resolve_timeout* is how long alerts of Prometheus without an end fire.
    """
    try:
        content = decode(payload.body)
        if payload.format is PayloadFormat.PROMETHEUS:
            elements: Iterable[Json] = prometheus.alerts_of(content)
            sender = f"prometheus {payload.sender}".rstrip()
            read: _ReadAlert = partial(prometheus.read_alert, resolve_timeout=resolve_timeout)
        else:
            elements = alertmanager.alerts_of(content)
            sender = alertmanager.sender_of(content, payload.sender)
            read = alertmanager.read_alert
    except RejectedPayloadError as error:
        return ReadPayload(rejection=str(error))
    origin = Origin(received_at=payload.received_at, sender=sender, traceparent=traceparent)
    return _read_alerts(elements, origin, read)


def read_past_alert(body: bytes, *, received_at: Instant, sender: str) -> Report:
    """Return the report that *body*, one alert of Alertmanager's webhook, makes; raise BrokenAlertError for none."""
    if not ZERO_TIME <= received_at <= _END_OF_TIME:
        raise BrokenAlertError("it was received outside of the years 1 to 9999")
    try:
        alert = decode(body)
    except RejectedPayloadError as error:
        raise BrokenAlertError(f"the alert is not JSON: {error}") from error
    _, report = alertmanager.read_alert(alert, Origin(received_at=received_at, sender=sender, traceparent=""))
    _check_size(report)
    return report


def size_of(report: Report) -> int:
    """Return about how many bytes *report* takes on the wire."""
    texts = len(report.fingerprint) + len(report.alert_name) + len(report.generator_url or "") + len(report.sender)
    return len(report.labels_json) + len(report.annotations_json) + texts


def _read_alerts(elements: Iterable[Json], origin: Origin, read: _ReadAlert) -> ReadPayload:
    alerts: list[ReadAlert] = []
    refusals: list[Refusal] = []
    refused_count = 0
    for index, element in enumerate(elements):
        if len(refusals) == MAX_LISTED_REFUSALS and not isinstance(element, dict):
            refused_count += 1  # Nobody reads the reason, and a body can hold millions of these.
            continue
        try:
            name, report = read(element, origin)
            _check_size(report)
        except BrokenAlertError as error:
            refused_count += 1
            if len(refusals) < MAX_LISTED_REFUSALS:
                refusals.append(Refusal(index=index, message=str(error)))
        else:
            alerts.append(ReadAlert(index=index, name=name, report=report))
    return ReadPayload(alerts=tuple(alerts), refusals=tuple(refusals), refused_count=refused_count)


def _check_size(report: Report) -> None:
    if size_of(report) > MAX_ALERT_BYTES:
        raise BrokenAlertError(f"the alert takes more than {MAX_ALERT_BYTES} bytes")
