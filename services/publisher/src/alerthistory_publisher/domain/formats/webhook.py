"""The format ``webhook``: the JSON body that the older service sent to generic receivers."""

import json
from typing import Any

from alerthistory_common.alerts import AlertEvent, Instant, Verdict
from alerthistory_publisher.domain.deliveries import Publication

_SOURCE = "alert-history-llm"
_VERSION = "1.0"


def body(publication: Publication, *, at: Instant) -> bytes:
    """Return the body that tells about *publication*, ordered at *at*.

    The same on every attempt. Raises ValueError or RecursionError when labels or annotations are not JSON.
    """
    document: dict[str, Any] = {
        "alert": _alert(publication.event),
        "timestamp": at.iso_utc().removesuffix("+00:00"),
        "source": _SOURCE,
        "version": _VERSION,
    }
    if publication.verdict is not None:
        document["classification"] = _classification(publication.verdict)
    return json.dumps(document).encode()


def _alert(event: AlertEvent) -> dict[str, Any]:
    labels = _parsed(event.labels_json)
    return {
        "fingerprint": event.fingerprint,
        "name": event.alert_name,
        "status": "firing" if event.kind.is_firing else "resolved",
        "namespace": labels.get("namespace") if isinstance(labels, dict) else None,
        "starts_at": event.starts_at.iso_utc(),
        "ends_at": None if event.ends_at is None else event.ends_at.iso_utc(),
        "generator_url": event.generator_url,
        "labels": labels,
        "annotations": _parsed(event.annotations_json),
    }


def _classification(verdict: Verdict) -> dict[str, Any]:
    return {
        "severity": verdict.severity.value,
        "confidence": verdict.confidence,
        "reasoning": verdict.reasoning,
        "recommendations": list(verdict.recommendations),
        "processing_time": verdict.processing_time.total_seconds(),
        "metadata": {"source": verdict.source, "rules": list(verdict.rules)},
    }


def _parsed(content: bytes) -> Any:
    # NaN and Infinity are no JSON; a receiver would refuse the whole body.
    return json.loads(content, parse_constant=str)
