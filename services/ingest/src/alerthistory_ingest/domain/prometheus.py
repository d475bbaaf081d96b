"""The array that Prometheus posts to ``/api/v2/alerts``, by Alertmanager's own rules."""

from datetime import timedelta

from alerthistory_common.alerts import ZERO_TIME, Instant, Report
from alerthistory_common.fingerprints import alertmanager_fingerprint
from alerthistory_ingest.domain.alertmanager import text_label
from alerthistory_ingest.domain.column_text import column_text
from alerthistory_ingest.domain.json_text import Json, encode, kind_of
from alerthistory_ingest.domain.payload import BrokenAlertError, Origin, RejectedPayloadError
from alerthistory_ingest.domain.timestamps import read_time


def alerts_of(payload: Json) -> list[Json]:
    """Return the elements of *payload*; raise RejectedPayloadError when it is no list."""
    if not isinstance(payload, list):
        raise RejectedPayloadError(f"the body must be a list of alerts, not {kind_of(payload)}")
    return payload


def read_alert(alert: Json, origin: Origin, *, resolve_timeout: timedelta) -> tuple[str, Report]:
    """Return the name of *alert* and its report; raise BrokenAlertError when Alertmanager would refuse it.

    An end in the future is a lease: until then the sender asserts that the alert fires. Without an end the lease lasts
    for *resolve_timeout*.
    """
    if not isinstance(alert, dict):
        raise BrokenAlertError(f"an alert must be an object, not {kind_of(alert)}")
    now = origin.received_at
    sent_end = _time(alert, "endsAt")
    starts_at = _time(alert, "startsAt") or (min(now, sent_end) if sent_end else now)
    end = sent_end or Instant(now.micros + resolve_timeout // timedelta(microseconds=1), now.nanos)
    if end < starts_at:
        raise BrokenAlertError("start time must be before end time")
    labels = _labels(alert)
    labels_json = encode(dict(labels))
    name = labels.get("alertname", "unknown")
    is_firing = end > now
    report = Report(
        labels_json=labels_json,
        annotations_json=encode(dict(_texts(alert, "annotations"))),
        fingerprint=alertmanager_fingerprint(labels),
        alert_name=name,
        is_firing=is_firing,
        starts_at=starts_at,
        ends_at=None if is_firing else end,
        generator_url=_generator_url(alert),
        received_at=now,
        sender=origin.sender,
        namespace=text_label(dict(labels), "namespace"),
        severity_label=text_label(dict(labels), "severity"),
        lease_expires_at=end if is_firing else None,
        traceparent=origin.traceparent,
    )
    return name, report


def _labels(alert: dict[str, Json]) -> dict[str, str]:
    """Return the labels without empty values, which mean "no label"."""
    labels = {name: value for name, value in _texts(alert, "labels").items() if value}
    if not labels:
        raise BrokenAlertError("at least one label pair required")
    if "" in labels:
        raise BrokenAlertError('invalid label set: invalid name ""')
    return labels


def _texts(alert: dict[str, Json], field: str) -> dict[str, str]:
    value = alert.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BrokenAlertError(f"{field} must be an object, not {kind_of(value)}")
    texts = {name: text for name, text in value.items() if isinstance(text, str)}
    for name in value.keys() - texts.keys():
        raise BrokenAlertError(f"{field}: the value of {name[:60]!a} must be a text, not {kind_of(value[name])}")
    return texts


def _time(alert: dict[str, Json], field: str) -> Instant | None:
    """Return a time; None when it is missing, or the zero time of Go."""
    value = alert.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BrokenAlertError(f"{field} must be a text, not {kind_of(value)}")
    found = read_time(value, field=field)
    return None if found == ZERO_TIME else found


def _generator_url(alert: dict[str, Json]) -> str | None:
    value = alert.get("generatorURL")
    if value is None:
        return None
    if not isinstance(value, str):
        raise BrokenAlertError(f"generatorURL must be a text, not {kind_of(value)}")
    return column_text(value, field="generatorURL")
