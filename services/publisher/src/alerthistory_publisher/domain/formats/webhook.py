"""The format ``webhook``: the JSON body that the older service sent to generic receivers."""

from typing import Any

from alerthistory_common.alerts import Verdict
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.content import Content, Letter, encode, parsed
from alerthistory_publisher.domain.targets import Target

_SOURCE = "alert-history-llm"
_VERSION = "1.0"


def write(content: Content, *, claim: Claim, target: Target) -> Letter:
    """Return the letter, labels and annotations as they came. The same on every attempt."""
    document: dict[str, Any] = {
        "alert": _alert(content),
        "timestamp": claim.ordered_at.iso_utc().removesuffix("+00:00"),
        "source": _SOURCE,
        "version": _VERSION,
    }
    if content.verdict is not None:
        document["classification"] = _classification(content.verdict)
    return Letter(body=encode(document))


def _alert(content: Content) -> dict[str, Any]:
    event = content.event
    return {
        "fingerprint": event.fingerprint,
        "name": event.alert_name,
        "status": content.status,
        "namespace": content.labels.get("namespace"),
        "starts_at": event.starts_at.iso_utc(),
        "ends_at": None if event.ends_at is None else event.ends_at.iso_utc(),
        "generator_url": event.generator_url,
        # What is no object is still shown here.
        "labels": parsed(event.labels_json),
        "annotations": parsed(event.annotations_json),
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
