"""The judge by rules: how serious an alert is, from what it says, where it comes from and how it behaved.

Strongest first: explicit marks, what is measured, the environment, the past, the sender's label, the wording. An
unknown alert is a warning with low confidence and never noise; what its sender calls critical in production is lowered
by strong evidence only, and then to a warning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alerthistory_classifier.domain.environment import Environment, Place, place
from alerthistory_classifier.domain.evidence import Evidence, Level
from alerthistory_classifier.domain.impact import measured, worded
from alerthistory_classifier.domain.past import habits, is_new
from alerthistory_classifier.domain.sender import explicit_mark, sender_says
from alerthistory_classifier.domain.subject import Subject, subject
from alerthistory_common.alerts import AlertEvent, HistoryContext, Verdict

_MAX_RECOMMENDATIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opinion:
    """A judgement in the making."""

    level: Level
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    is_known: bool = True

    def and_then(self, level: Level, confidence: float, *evidence: Evidence) -> "_Opinion":
        return replace(self, level=level, confidence=confidence, evidence=(*self.evidence, *evidence))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an answer about one alert may not be shared across, though their texts have one template."""

    measured: Level | None
    sender: Level | None
    environment: Environment
    habits: tuple[str, ...]
    is_new: bool


class RuleBook:
    """The rules in force."""

    def judge(self, event: AlertEvent, history: HistoryContext) -> Verdict:
        """Return the verdict of the rules on *event*; always gives one. ``processing_time`` is left to the caller."""
        return judge(event, history)

    def situation(self, event: AlertEvent, history: HistoryContext) -> Situation:
        """Return what sets *event* apart from others of its template."""
        judged = subject(event, history)
        numbers, says = measured(judged), sender_says(judged)
        return Situation(
            measured=None if numbers is None else numbers.level,
            sender=None if says is None else says.level,
            environment=place(judged).environment,
            habits=tuple(each.rule for each in habits(history)),
            is_new=is_new(history),
        )

    def is_guarded(self, event: AlertEvent, history: HistoryContext) -> bool:
        """Whether the sender calls *event* critical, and nothing says that it comes from a place without users."""
        judged = subject(event, history)
        says, environment = sender_says(judged), place(judged).environment
        is_playground = environment in {Environment.SANDBOX, Environment.DEVELOPMENT}
        return says is not None and says.level is Level.CRITICAL and not is_playground


def judge(event: AlertEvent, history: HistoryContext) -> Verdict:
    """Return the verdict of the rules on *event*; always gives one. ``processing_time`` is left to the caller."""
    judged = subject(event, history)
    mark = explicit_mark(judged)
    if mark is not None:
        return _verdict(judged, _Opinion(level=Level.NOISE, confidence=0.95, evidence=(mark,)))
    says, where = sender_says(judged), place(judged)
    is_guarded = says is not None and says.level is Level.CRITICAL and where.environment is Environment.PRODUCTION
    opinion = _by_content(says, measured(judged), worded(judged), is_guarded=is_guarded)
    opinion = _by_place(opinion, where)
    return _verdict(judged, _by_past(opinion, history, is_guarded=is_guarded))


def _by_content(
    says: Evidence | None, numbers: Evidence | None, wording: Evidence | None, *, is_guarded: bool
) -> _Opinion:
    """Return what label, numbers and wording say together: numbers count most, and only words of loss may raise."""
    if numbers is not None:
        level = max(numbers.level, Level.WARNING) if is_guarded else numbers.level
        if says is not None and not numbers.overrules:
            level = max(level, says.level)
        agrees = says is None or says.level is level
        return _Opinion(level=level, confidence=0.85 if agrees else 0.7, evidence=_present(numbers, says))
    if says is not None:
        if wording is None:
            return _Opinion(level=says.level, confidence=0.65, evidence=(says,))
        raised = min(wording.level, Level(min(says.level + 1, Level.CRITICAL))) if wording.overrules else says.level
        level = max(says.level, raised)
        confidence = 0.8 if wording.level is says.level else 0.6
        return _Opinion(level=level, confidence=confidence, evidence=(says, wording))
    if wording is not None:
        return _Opinion(level=wording.level, confidence=0.55, evidence=(wording,))
    return _Opinion(level=Level.WARNING, confidence=0.3, evidence=(_UNKNOWN,), is_known=False)


def _by_place(opinion: _Opinion, where: Place) -> _Opinion:
    """Return the opinion in the light of the environment: only what runs in production hurts users."""
    level, confidence = opinion.level, opinion.confidence
    match where.environment:
        case Environment.UNKNOWN:
            return opinion
        case Environment.PRODUCTION:
            return opinion.and_then(level, confidence + 0.05, _from(where, level))
        case Environment.STAGING:
            lowered = min(level, Level.WARNING)
        case Environment.DEVELOPMENT:
            lowered = level.lowered()
        case Environment.SANDBOX:
            is_noise = opinion.is_known and level < Level.CRITICAL
            lowered = Level.NOISE if is_noise else Level.INFO
    return opinion.and_then(lowered, confidence, _from(where, lowered))


def _by_past(opinion: _Opinion, history: HistoryContext, *, is_guarded: bool) -> _Opinion:
    """Return the opinion in the light of the past: what comes and goes by itself does not wake anybody."""
    if is_new(history):
        return opinion.and_then(opinion.level, opinion.confidence + 0.05)
    bad = habits(history)
    if not bad:
        return opinion
    return opinion.and_then(_after_habits(opinion, bad, is_guarded=is_guarded), opinion.confidence, *bad)


def _after_habits(opinion: _Opinion, bad: Sequence[Evidence], *, is_guarded: bool) -> Level:
    has_both = len(bad) > 1
    if is_guarded:
        return min(opinion.level, Level.WARNING) if has_both else opinion.level
    if has_both and opinion.is_known and opinion.level < Level.CRITICAL:
        return Level.NOISE
    return opinion.level.lowered()


def _from(where: Place, level: Level) -> Evidence:
    return Evidence(
        rule=f"environment-{where.environment.value}",
        level=level,
        because=f"{where.said_by} is {_NAMES[where.environment]}",
    )


_NAMES = {
    Environment.PRODUCTION: "production",
    Environment.STAGING: "a staging environment",
    Environment.DEVELOPMENT: "a development environment",
    Environment.SANDBOX: "a test environment",
}
_UNKNOWN = Evidence(
    rule="unknown",
    level=Level.WARNING,
    because="nothing says how serious it is",
    recommendations=("Give the rule a `severity` label and a summary that says what is lost.",),
)


def _verdict(judged: Subject, opinion: _Opinion) -> Verdict:
    severity = opinion.level.severity
    return Verdict(
        severity=severity,
        confidence=round(min(max(opinion.confidence, 0.05), 0.99), 2),
        reasoning=f"Judged {severity.value}: {'; '.join(each.because for each in opinion.evidence)}.",
        recommendations=_recommendations(judged, opinion.evidence),
        source="rules",
        rules=tuple(each.rule for each in opinion.evidence),
    )


def _recommendations(judged: Subject, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    runbook = judged.annotations.get("runbook_url", "").strip()
    first = [f"Follow the runbook: {runbook}"] if runbook.startswith(("https://", "http://")) else []
    advised = [*first, *(text for each in evidence for text in each.recommendations)]
    return tuple(dict.fromkeys(advised))[:_MAX_RECOMMENDATIONS]


def _present(*evidence: Evidence | None) -> tuple[Evidence, ...]:
    return tuple(each for each in evidence if each is not None)
