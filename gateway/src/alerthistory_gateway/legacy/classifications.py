"""How the legacy interface writes verdicts."""

import json
from typing import Any
from uuid import uuid4

from alerthistory.alert.v1 import alert_pb2
from alerthistory.alert.v1.alert_pb2 import Alert, AlertEvent, HistoryContext, Severity
from alerthistory.classifier.v1.classifier_service_pb2 import Classification, ClassifyCase, GetStatsResponse
from alerthistory_common.alert_codec import instant
from alerthistory_gateway.legacy.rendering import iso_naive

_PREFIX = "SEVERITY_"
# What the older service's clients do not know.
_NEW_METADATA = frozenset({"category", "prompt_version"})


def severity_name(severity: Severity.ValueType) -> str:
    """Return the severity's name; ``warning`` for one of a later version: somebody should look."""
    try:
        return Severity.Name(severity).removeprefix(_PREFIX).lower()
    except ValueError:
        return "warning"


def recommendation(found: Classification) -> dict[str, Any]:
    """Return an item of the list of recommendations."""
    return {
        "fingerprint": found.fingerprint,
        "alert_name": found.alert_name or None,
        "severity": severity_name(found.verdict.severity),
        "confidence": found.verdict.confidence,
        "reasoning": found.verdict.reasoning,
        "recommendations": list(found.verdict.recommendations),
        "created_at": iso_naive(instant(found.created_at).to_datetime()),
    }


def beside_an_alert(found: Classification) -> dict[str, Any]:
    """Return what a recent alert shows of its verdict."""
    return {
        "classified_severity": severity_name(found.verdict.severity),
        "classified_confidence": found.verdict.confidence,
        "classified_reasoning": found.verdict.reasoning,
        "classified_recommendations": list(found.verdict.recommendations),
    }


def classification_document(
    found: Classification, *, is_cached: bool, has_recommendations: bool = True
) -> dict[str, Any]:
    """Return a verdict as ``/classification/…`` shows it."""
    return {
        "fingerprint": found.fingerprint,
        "severity": severity_name(found.verdict.severity),
        "confidence": found.verdict.confidence,
        "reasoning": found.verdict.reasoning,
        "recommendations": list(found.verdict.recommendations) if has_recommendations else [],
        "processing_time": found.verdict.processing_time.ToTimedelta().total_seconds(),
        "metadata": _metadata(found.metadata_json),
        "cached": is_cached,
    }


def stats_document(stats: GetStatsResponse) -> dict[str, Any]:
    """Return what was judged, and by whom."""
    total = sum(each.count for each in stats.verdicts)
    counts = {
        "cache_hits": sum(each.cache_hits for each in stats.models),
        "llm_requests": sum(each.questions for each in stats.models),
        "fallback_used": sum(each.fallbacks for each in stats.models),
        "errors": sum(each.failures for each in stats.models),
    }
    rates = {
        name: counts[counted] / total if total else 0.0
        for name, counted in (
            ("cache_hit_rate", "cache_hits"),
            ("llm_usage_rate", "llm_requests"),
            ("fallback_rate", "fallback_used"),
            ("error_rate", "errors"),
        )
    }
    return {"total_requests": total, **counts, **rates}


def case_of(alert: Alert) -> ClassifyCase:
    """Return what is judged when *alert* is to be judged anew: it, as if it had just changed."""
    event = AlertEvent(
        event_id=uuid4().hex,
        kind=alert_pb2.EVENT_KIND_FIRED if alert.is_firing else alert_pb2.EVENT_KIND_RESOLVED,
        fingerprint=alert.fingerprint,
        alert_name=alert.alert_name,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at if alert.HasField("ends_at") else None,
        labels_json=alert.labels_json,
        annotations_json=alert.annotations_json,
        occurred_at=alert.last_seen_at,
        received_at=alert.last_seen_at,
    )
    # The open episode is not part of its own past.
    times_fired = max(0, alert.times_fired - alert.is_firing)
    return ClassifyCase(event=event, history=HistoryContext(times_fired=times_fired))


def _metadata(metadata_json: bytes) -> Any:
    if not metadata_json:
        return None
    found = json.loads(metadata_json)
    if not isinstance(found, dict):
        return None
    return {name: value for name, value in found.items() if name not in _NEW_METADATA}
