"""How the legacy interface writes verdicts."""

from typing import Any

from alerthistory.alert.v1.alert_pb2 import Severity
from alerthistory.classifier.v1.classifier_service_pb2 import Classification
from alerthistory_common.alert_codec import instant
from alerthistory_gateway.legacy.rendering import iso_naive

_PREFIX = "SEVERITY_"


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
