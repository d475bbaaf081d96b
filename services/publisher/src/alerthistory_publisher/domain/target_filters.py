"""What of all alerts a target wants to be told, as configured with it."""

from dataclasses import dataclass

from alerthistory_common.alerts import Severity
from alerthistory_common.matchers import Matcher, MatchOp
from alerthistory_publisher.domain.active_times import ActiveTime
from alerthistory_publisher.domain.conditions import Subject

_LABELS = {each.value: each for each in Severity}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFilter:
    """What a target wants; every part that is set must agree.

    ``alert_name_pattern`` is an RE2 expression for the whole name. ``exclude_noise`` and ``min_confidence`` look at the
    verdicts of an LLM only, and never keep back what its sender or a verdict calls critical. Outside ``active_times``
    (none: always) what is told waits.
    """

    severities: frozenset[Severity] = frozenset()
    namespaces: frozenset[str] = frozenset()
    exclude_noise: bool = True
    min_confidence: float = 0.0
    alert_name_pattern: str = ""
    matchers: tuple[Matcher, ...] = ()
    active_times: tuple[ActiveTime, ...] = ()

    def objection(self, subject: Subject) -> tuple[str, str] | None:
        """Return which part does not want *subject*, and why; None when all want it."""
        return self._to_severity(subject) or self._to_labels(subject) or self._to_opinion(subject)

    def _to_severity(self, subject: Subject) -> tuple[str, str] | None:
        severity = severity_of(subject)
        if not self.severities or severity in self.severities:
            return None
        said = "unknown" if severity is None else severity.value
        return "filter.severity", f"its severity is {said}, and wanted is {_listed(self.severities)}"

    def _to_labels(self, subject: Subject) -> tuple[str, str] | None:
        if self.namespaces and subject.label("namespace") not in self.namespaces:
            return "filter.namespaces", f"its namespace is none of {_listed(self.namespaces)}"
        if self.alert_name_pattern and not _name_matcher(self.alert_name_pattern).accepts(subject.alert_name):
            return "filter.alert_name_pattern", f"its name does not match {self.alert_name_pattern!r}"
        failed = next((each for each in self.matchers if not each.matches(subject.labels)), None)
        return None if failed is None else ("matchers", f"its labels do not match {failed}")

    def _to_opinion(self, subject: Subject) -> tuple[str, str] | None:
        opinion = subject.opinion
        if opinion is None or subject.is_critical:
            return None
        if self.exclude_noise and opinion.severity is Severity.NOISE:
            return "filter.exclude_noise", f"{opinion.source} calls it noise"
        if opinion.confidence < self.min_confidence:
            reason = f"{opinion.source} is sure by {opinion.confidence:.2f} only, wanted is {self.min_confidence:.2f}"
            return "filter.min_confidence", reason
        return None


def severity_of(subject: Subject) -> Severity | None:
    """Return what is critical as that, else the verdict's severity, else the sender's label; None when nobody says."""
    if subject.is_critical:
        return Severity.CRITICAL
    if subject.verdict is not None:
        return subject.verdict.severity
    return _LABELS.get(subject.label("severity").strip().lower())


def _name_matcher(pattern: str) -> Matcher:
    return Matcher("alertname", MatchOp.REGEX, pattern)


def _listed(names: frozenset[str] | frozenset[Severity]) -> str:
    return ", ".join(sorted(names))
