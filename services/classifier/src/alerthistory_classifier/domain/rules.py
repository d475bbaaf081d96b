"""The judge by rules: how serious an alert is, from what it says, where it comes from and how it behaved.

Every rule that fits votes for and against severities, and the sum decides. An unknown alert is a warning with low
confidence and never noise; what its sender calls critical where there are users is lowered by strong evidence only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from alerthistory_classifier.domain.environment import Environment, Place, PlaceRules
from alerthistory_classifier.domain.evidence import Evidence, Level, Votes
from alerthistory_classifier.domain.lexicon import Lexicon
from alerthistory_classifier.domain.marks import MarkRules
from alerthistory_classifier.domain.measures import Limits, measured
from alerthistory_classifier.domain.own import OwnRules
from alerthistory_classifier.domain.past import Habit, habit, is_new, shown
from alerthistory_classifier.domain.phrases import PhraseRules
from alerthistory_classifier.domain.sender import SenderRules
from alerthistory_classifier.domain.subject import Subject, subject, without_orders
from alerthistory_common.alerts import AlertEvent, HistoryContext, Verdict

_MAX_RECOMMENDATIONS = 5
_MAX_REASONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an answer about one alert may not be shared across, though their texts have one template."""

    measured: tuple[str, ...]
    sender: Level | None
    environment: Environment
    habit: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """The rules in force.

    ``prior`` are votes that every alert gets; ``temperature`` tempers confidence; from ``strong`` votes on against it,
    evidence may lower what its sender calls critical below a warning.
    """

    prior: Votes
    new: Votes
    sender: SenderRules
    places: PlaceRules
    habits: Sequence[Habit]
    marks: MarkRules
    phrases: PhraseRules
    measures: Mapping[str, Limits]
    temperature: float
    strong: float
    lexicon: Lexicon
    own: OwnRules

    def judge(self, event: AlertEvent, history: HistoryContext) -> Verdict:
        """Return the verdict of the rules on *event*; always gives one. ``processing_time`` is left to the caller."""
        judged = subject(event, history, told=self.sender.told)
        own = self.own.deciding(judged)
        if own is not None:
            return _verdict(judged, own.level, own.confidence, (own.evidence,))
        heard = without_orders(judged, told=self.sender.told)
        evidence = self._evidence(heard)
        if heard is not judged:
            evidence.append(_ORDERS)
        shares = self._sum(evidence, history).shares(self.temperature)
        level = max(shares, key=lambda each: (shares[each], each))
        allowed = max(level, self._least(heard, evidence))
        return _verdict(heard, allowed, shares[allowed], sorted(evidence, key=lambda each: -each.votes.weight))

    def votes(self, event: AlertEvent, history: HistoryContext) -> Votes:
        """Return the sum of all votes about *event*, own rules apart."""
        judged = subject(event, history, told=self.sender.told)
        return self._sum(self._evidence(judged), history)

    def situation(self, event: AlertEvent, history: HistoryContext) -> Situation:
        """Return what sets *event* apart from others of its template."""
        judged = subject(event, history, told=self.sender.told)
        known = habit(self.habits, history)
        return Situation(
            measured=tuple(each.rule for each in measured(judged.wording, self.measures)),
            sender=self.sender.level(judged),
            environment=self.places.place(judged).environment,
            habit="" if known is None else known.rule,
            is_new=is_new(history),
        )

    def is_guarded(self, event: AlertEvent, history: HistoryContext) -> bool:
        """Whether the sender calls *event* critical, and nothing says that it comes from a place without users."""
        judged = subject(event, history, told=self.sender.told)
        return self.sender.level(judged) is Level.CRITICAL and _has_users(self.places.place(judged))

    def _evidence(self, judged: Subject) -> list[Evidence]:
        """Return all that fits: what the alert says by itself, and what its sender, its place and its past say."""
        known = habit(self.habits, judged.history)
        found = (
            *self.marks.found(judged),
            *self.phrases.found(judged.wording),
            *measured(judged.wording, self.measures),
            self.lexicon.says(judged.wording),
            self.sender.says(judged),
            self.places.says(self.places.place(judged)),
            None if known is None else shown(known, judged.history),
        )
        return [each for each in found if each is not None]

    def _sum(self, evidence: Sequence[Evidence], history: HistoryContext) -> Votes:
        first = self.prior.plus(self.new) if is_new(history) else self.prior
        return reduce(Votes.plus, (each.votes for each in evidence), first)

    def _least(self, judged: Subject, evidence: Sequence[Evidence]) -> Level:
        """Return the lowest level that the alert may have: nobody is to miss a page, or what nobody knows."""
        if all(each.rule in _SAYS_NOTHING for each in evidence):
            return Level.WARNING
        is_strong = any(max(each.votes.info, each.votes.noise) >= self.strong for each in evidence)
        is_guarded = self.sender.level(judged) is Level.CRITICAL and _has_users(self.places.place(judged))
        return Level.WARNING if is_guarded and not is_strong else Level.NOISE


_ORDERS = Evidence(
    rule="orders",
    because="its texts give orders to a model, and such texts are not listened to",
    recommendations=("Find out who writes orders to a language model into alerts.",),
)
_SAYS_NOTHING = frozenset({"wording", "environment-production", "orders"})
_UNKNOWN = Evidence(
    rule="unknown",
    because="nothing says how serious it is",
    recommendations=("Give the rule a `severity` label and a summary that says what is lost.",),
)


def _has_users(place: Place) -> bool:
    return place.environment in {Environment.PRODUCTION, Environment.UNKNOWN}


def _verdict(judged: Subject, level: Level, confidence: float, evidence: Sequence[Evidence]) -> Verdict:
    told = evidence or (_UNKNOWN,)
    reasons = list(dict.fromkeys(each.because for each in told))[:_MAX_REASONS]
    return Verdict(
        severity=level.severity,
        confidence=round(min(max(confidence, 0.05), 0.99), 2),
        reasoning=f"Judged {level.severity.value}: {'; '.join(reasons)}.",
        recommendations=_recommendations(judged, told),
        source="rules",
        rules=tuple(dict.fromkeys(each.rule for each in told)),
    )


def _recommendations(judged: Subject, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    runbook = judged.annotations.get("runbook_url", "").strip()
    first = [f"Follow the runbook: {runbook}"] if runbook.startswith(("https://", "http://")) else []
    advised = [*first, *(text for each in evidence for text in each.recommendations)]
    return tuple(dict.fromkeys(advised))[:_MAX_RECOMMENDATIONS]
