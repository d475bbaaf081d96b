"""A publication as the JSON bytes of its row."""

import json
from datetime import timedelta
from typing import Any

from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant, Severity, Verdict
from alerthistory_publisher.domain.deliveries import Publication

_MICROSECOND = timedelta(microseconds=1)


def encode(publication: Publication) -> bytes:
    """Return *publication* as JSON; labels and annotations are kept byte by byte."""
    verdict = publication.verdict
    content = {"event": _event(publication.event), "verdict": None if verdict is None else _verdict(verdict)}
    return json.dumps(content, separators=(",", ":")).encode()


def decode(content: bytes) -> Publication:
    """Return the publication that ``encode`` wrote."""
    fields = json.loads(content)
    verdict = fields["verdict"]
    return Publication(event=_event_back(fields["event"]), verdict=None if verdict is None else _verdict_back(verdict))


def _event(event: AlertEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "cursor": event.cursor,
        "kind": event.kind.value,
        "fingerprint": event.fingerprint,
        "alert_name": event.alert_name,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "labels_json": _text(event.labels_json),
        "annotations_json": _text(event.annotations_json),
        "generator_url": event.generator_url,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "sender": event.sender,
        "traceparent": event.traceparent,
    }


def _event_back(fields: dict[str, Any]) -> AlertEvent:
    moments = {name: Instant(*fields[name]) for name in ("starts_at", "occurred_at", "received_at")}
    ends_at = fields["ends_at"]
    typed = {
        "kind": EventKind(fields["kind"]),
        "fingerprint": Fingerprint(fields["fingerprint"]),
        "ends_at": None if ends_at is None else Instant(*ends_at),
        "labels_json": _bytes(fields["labels_json"]),
        "annotations_json": _bytes(fields["annotations_json"]),
    }
    return AlertEvent(**(fields | moments | typed))


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "severity": verdict.severity.value,
        "confidence": verdict.confidence,
        "reasoning": verdict.reasoning,
        "recommendations": verdict.recommendations,
        "source": verdict.source,
        "rules": verdict.rules,
        "processing_time": verdict.processing_time // _MICROSECOND,
    }


def _verdict_back(fields: dict[str, Any]) -> Verdict:
    typed = {
        "severity": Severity(fields["severity"]),
        "recommendations": tuple(fields["recommendations"]),
        "rules": tuple(fields["rules"]),
        "processing_time": fields["processing_time"] * _MICROSECOND,
    }
    return Verdict(**(fields | typed))


# Bytes that are not UTF-8 survive as lone surrogates, which JSON escapes.
def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
