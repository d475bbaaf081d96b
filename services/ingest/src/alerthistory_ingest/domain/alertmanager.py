"""Alertmanager's webhook payload, version 4, by the rules of the legacy contract."""

from collections.abc import Iterable

from alerthistory_common.alerts import Fingerprint, Instant, Report
from alerthistory_common.fingerprints import legacy_fingerprint
from alerthistory_ingest.domain.column_text import column_text
from alerthistory_ingest.domain.json_text import Json, encode, is_unicode, kind_of
from alerthistory_ingest.domain.payload import BrokenAlertError, Origin, RejectedPayloadError
from alerthistory_ingest.domain.timestamps import read_time

_MAX_SENDER = 1000


def alerts_of(payload: Json) -> Iterable[Json]:
    """Return the elements of ``alerts``; raise RejectedPayloadError, in the contract's words, when there are none.

    An object yields its keys and a text its characters: each is a broken alert.
    """
    if not isinstance(payload, dict):
        raise RejectedPayloadError(f"'{type(payload).__name__}' object has no attribute 'get'")
    alerts = payload.get("alerts", [])
    if not isinstance(alerts, list | dict | str):
        raise RejectedPayloadError(f"'{type(alerts).__name__}' object is not iterable")
    return alerts


def sender_of(payload: Json, peer: str) -> str:
    """Return who sent *payload*: the Alertmanager that it names, otherwise *peer*."""
    url = payload.get("externalURL") if isinstance(payload, dict) else None
    if isinstance(url, str) and url and is_unicode(url):
        # Every report carries it: an absurd one must not multiply.
        return f"alertmanager {url[:_MAX_SENDER]}"
    return peer


def read_alert(alert: Json, origin: Origin) -> tuple[str, Report]:
    """Return the name of *alert* as it stands there, and its report; raise BrokenAlertError when it cannot be taken."""
    if not isinstance(alert, dict):
        raise BrokenAlertError(f"an alert must be an object, not {kind_of(alert)}")
    labels = alert.get("labels", {})
    if not isinstance(labels, dict):
        raise BrokenAlertError(f"labels must be an object, not {kind_of(labels)}")
    name = labels.get("alertname", "unknown")
    report = Report(
        labels_json=encode(labels),
        annotations_json=encode(alert.get("annotations", {})),
        fingerprint=_fingerprint(alert, labels),
        alert_name=column_text(name, field="the label alertname"),
        is_firing=alert.get("status") != "resolved",
        starts_at=_starts_at(alert, origin.received_at),
        ends_at=_ends_at(alert),
        generator_url=_generator_url(alert),
        received_at=origin.received_at,
        sender=origin.sender,
        namespace=text_label(labels, "namespace"),
        severity_label=text_label(labels, "severity"),
        traceparent=origin.traceparent,
    )
    return str(name), report


def text_label(labels: dict[str, Json], name: str) -> str:
    """Return the value of a label that is a text, otherwise an empty one."""
    value = labels.get(name)
    return value if isinstance(value, str) else ""


def _fingerprint(alert: dict[str, Json], labels: dict[str, Json]) -> Fingerprint:
    given = alert.get("fingerprint")
    return Fingerprint(column_text(given, field="fingerprint")) if given else legacy_fingerprint(labels)


def _starts_at(alert: dict[str, Json], received_at: Instant) -> Instant:
    value = alert.get("startsAt")
    return received_at if value is None or value == "" else read_time(value, field="startsAt")


def _ends_at(alert: dict[str, Json]) -> Instant | None:
    value = alert.get("endsAt")
    return read_time(value, field="endsAt") if value else None


def _generator_url(alert: dict[str, Json]) -> str | None:
    value = alert.get("generatorURL")
    return None if value is None else column_text(value, field="generatorURL")
