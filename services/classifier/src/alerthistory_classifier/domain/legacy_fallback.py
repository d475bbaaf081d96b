"""What the older service said when its LLM failed, word for word; for those who replay it or change over carefully."""

from alerthistory_classifier.domain.subject import Subject
from alerthistory_common.alerts import Severity, Verdict

_WORDS = {
    **dict.fromkeys(("critical", "crit", "error", "err"), Severity.CRITICAL),
    **dict.fromkeys(("warning", "warn"), Severity.WARNING),
    **dict.fromkeys(("info", "information", "inf", "debug"), Severity.INFO),
    **dict.fromkeys(("noise", "trace"), Severity.NOISE),
}
_GRAVE = ("down", "dead", "failed", "error", "critical", "outage")
_AFTER_FAILURE = (
    "Review LLM service connectivity",
    "Check alert labeling for better classification",
    "Consider manual review of this alert",
)
_AFTER_NONSENSE = ("Review alert configuration manually",)


def after_failure(subject: Subject, error: str) -> Verdict:
    """Return the verdict on an alert about which no LLM could be asked."""
    found = _WORDS.get(subject.labels.get("severity", "").lower())
    severity, confidence = (Severity.WARNING, 0.1) if found is None else (found, 0.3)
    if any(word in subject.name.lower() for word in _GRAVE):
        severity, confidence = Severity.CRITICAL, 0.4
    return Verdict(
        severity=severity,
        confidence=confidence,
        reasoning=f"Fallback classification due to LLM error: {error}. Based on alert labels and name analysis.",
        recommendations=_AFTER_FAILURE,
        source="rules",
        rules=("legacy-fallback",),
    )


def after_nonsense(text: str) -> Verdict:
    """Return the verdict on an alert about which the LLM said something that cannot be used."""
    return Verdict(
        severity=Severity.WARNING,
        confidence=0.1,
        reasoning=f"Failed to parse LLM response: {text}",
        recommendations=_AFTER_NONSENSE,
        source="rules",
        rules=("legacy-unreadable-answer",),
    )
