"""The judge by rules: how serious an alert is, from what it says, where it comes from and how it behaved.

Strongest first: explicit marks, what is lost, what is measured, the environment, the past, the sender's label, the
wording. An unknown alert is a warning with low confidence and never noise; what its sender calls critical in production
is lowered by strong evidence only.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerthistory_classifier.domain.environment import Environment, Place, PlaceRules
from alerthistory_classifier.domain.evidence import Evidence, Level
from alerthistory_classifier.domain.marks import MarkRules
from alerthistory_classifier.domain.measures import Limits, measured
from alerthistory_classifier.domain.own import OwnRules
from alerthistory_classifier.domain.past import Habit, habits, is_new, spoken
from alerthistory_classifier.domain.phrases import PhraseRules
from alerthistory_classifier.domain.sender import SenderRules, is_critical
from alerthistory_classifier.domain.subject import Subject, subject
from alerthistory_common.alerts import AlertEvent, HistoryContext, Verdict

_MAX_RECOMMENDATIONS = 5
_MAX_REASONS = 5
_INFO_BELOW = 1.5
_CRITICAL_FROM = 2.5
_NOISE_FROM = 1.0
_STRONG = 2.0
_FARTHEST = 0.5
_KIND = "kind"
"""The group of phrases that say what sort of thing happened: a sender that says how serious it is knows that too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an answer about one alert may not be shared across, though their texts have one template."""

    measured: tuple[str, ...]
    sender: float | None
    environment: Environment
    habits: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How sure a verdict is: *curve* by the distance of the mean from the next limit, and two cases of their own."""

    curve: Sequence[tuple[float, float]]
    noise: float
    unknown: float

    def at(self, distance: float) -> float:
        """Return the confidence at *distance*, between the points of the curve."""
        place = bisect_right([at for at, _ in self.curve], distance)
        if place == 0:
            return self.curve[0][1]
        if place == len(self.curve):
            return self.curve[-1][1]
        (left, low), (right, high) = self.curve[place - 1], self.curve[place]
        return low + (high - low) * (distance - left) / (right - left)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    """All evidence about one alert, weighed."""

    urgency: float
    noise: float
    evidence: tuple[Evidence, ...]
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """The rules in force."""

    prior: Evidence
    sender: SenderRules
    places: PlaceRules
    habits: Sequence[Habit]
    marks: MarkRules
    phrases: PhraseRules
    measures: Mapping[str, Limits]
    confidence: Confidence
    own: OwnRules

    def judge(self, event: AlertEvent, history: HistoryContext) -> Verdict:
        """Return the verdict of the rules on *event*; always gives one. ``processing_time`` is left to the caller."""
        judged = subject(event, history, told=self.sender.told)
        own = self.own.deciding(judged)
        if own is not None:
            return _verdict(judged, own.level, own.confidence, (own.evidence,))
        place = self.places.place(judged)
        weighed = self._weigh(judged, place)
        level = self._level(judged, place, weighed)
        return _verdict(judged, level, self._sure(level, weighed), weighed.evidence)

    def situation(self, event: AlertEvent, history: HistoryContext) -> Situation:
        """Return what sets *event* apart from others of its template."""
        judged = subject(event, history, told=self.sender.told)
        says = self.sender.says(judged)
        return Situation(
            measured=tuple(f"{each.rule} {each.urgency}" for each in measured(judged.wording, self.measures)),
            sender=None if says is None else says.urgency,
            environment=self.places.place(judged).environment,
            habits=tuple(each.rule for each in habits(self.habits, history)),
            is_new=is_new(history),
        )

    def is_guarded(self, event: AlertEvent, history: HistoryContext) -> bool:
        """Whether the sender calls *event* critical, and nothing says that it comes from a place without users."""
        judged = subject(event, history, told=self.sender.told)
        return is_critical(self.sender.says(judged)) and _has_users(self.places.place(judged))

    def _weigh(self, judged: Subject, place: Place) -> _Weighed:
        """Return the weighted mean of what all rules say, moved by place and past."""
        says = self.sender.says(judged)
        content = [
            *self.marks.found(judged),
            *self.phrases.found(judged.wording),
            *measured(judged.wording, self.measures),
        ]
        weighing = [each for each in content if each.weight and (says is None or each.group != _KIND)]
        weighing.append(says or self.prior)
        total = sum(each.weight for each in weighing)
        mean = sum(each.urgency * each.weight for each in weighing) / total
        effect = self.places.effect(place)
        known = habits(self.habits, judged.history)
        is_grave = any(each.weight >= _STRONG and each.urgency >= _CRITICAL_FROM for each in content)
        past = 0.0 if is_grave else min((each.shift for each in known), default=0.0)
        noise = sum(each.noise for each in content) + effect.noise
        if not is_grave:
            noise += max((each.noise for each in known), default=0.0)
        return _Weighed(
            urgency=mean + effect.shift + past,
            noise=noise,
            evidence=tuple(_by_weight([*content, *([says] if says else ()), *self._moved(place, known, judged)])),
            is_known=says is not None or any(each.weight for each in content),
        )

    def _moved(self, place: Place, known: Sequence[Habit], judged: Subject) -> list[Evidence]:
        """Return what place and past say, to be shown."""
        found = []
        if place.environment is not Environment.UNKNOWN:
            found.append(
                Evidence(
                    rule=f"environment-{place.environment.value}",
                    because=f"{place.said_by} is {_NAMES[place.environment]}",
                )
            )
        found += [Evidence(rule=each.rule, because=spoken(each, judged.history)) for each in known]
        return found

    def _level(self, judged: Subject, place: Place, weighed: _Weighed) -> Level:
        if weighed.noise >= _NOISE_FROM:
            return Level.NOISE
        level = _level(weighed.urgency)
        is_weak = not any(each.weight >= _STRONG for each in weighed.evidence)
        if is_weak and level < Level.WARNING and is_critical(self.sender.says(judged)) and _has_users(place):
            return Level.WARNING
        return max(level, Level.WARNING) if not weighed.is_known else level

    def _sure(self, level: Level, weighed: _Weighed) -> float:
        if level is Level.NOISE:
            return self.confidence.noise
        if not weighed.is_known:
            return self.confidence.unknown
        return self.confidence.at(_distance(level, weighed.urgency))


_NAMES = {
    Environment.PRODUCTION: "production",
    Environment.STAGING: "a staging environment",
    Environment.DEVELOPMENT: "a development environment",
    Environment.SANDBOX: "a test environment",
}
_UNKNOWN = Evidence(
    rule="unknown",
    because="nothing says how serious it is",
    recommendations=("Give the rule a `severity` label and a summary that says what is lost.",),
)


def _has_users(place: Place) -> bool:
    return place.environment in {Environment.PRODUCTION, Environment.UNKNOWN}


def _level(urgency: float) -> Level:
    if urgency < _INFO_BELOW:
        return Level.INFO
    return Level.CRITICAL if urgency >= _CRITICAL_FROM else Level.WARNING


def _distance(level: Level, urgency: float) -> float:
    """Return how far *urgency* is from where another level begins."""
    if level is Level.WARNING:
        return max(0.0, min(urgency - _INFO_BELOW, _CRITICAL_FROM - urgency, _FARTHEST))
    return max(0.0, urgency - _CRITICAL_FROM if level is Level.CRITICAL else _INFO_BELOW - urgency)


def _by_weight(evidence: Sequence[Evidence]) -> list[Evidence]:
    return sorted(evidence, key=lambda each: -(each.weight + 5 * each.noise))


def _verdict(judged: Subject, level: Level, confidence: float, evidence: Sequence[Evidence]) -> Verdict:
    shown = evidence or (_UNKNOWN,)
    reasons = list(dict.fromkeys(each.because for each in shown))[:_MAX_REASONS]
    return Verdict(
        severity=level.severity,
        confidence=round(min(max(confidence, 0.05), 0.99), 2),
        reasoning=f"Judged {level.severity.value}: {'; '.join(reasons)}.",
        recommendations=_recommendations(judged, level, shown),
        source="rules",
        rules=tuple(dict.fromkeys(each.rule for each in shown)),
    )


def _recommendations(judged: Subject, level: Level, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    runbook = judged.annotations.get("runbook_url", "").strip()
    first = [f"Follow the runbook: {runbook}"] if runbook.startswith(("https://", "http://")) else []
    advised = [*first, *(text for each in evidence for text in each.recommendations)]
    return tuple(dict.fromkeys(advised))[:_MAX_RECOMMENDATIONS]
