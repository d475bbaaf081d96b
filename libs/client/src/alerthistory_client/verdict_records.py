"""What the classifier is asked and what it answers, besides stored verdicts and figures."""

from dataclasses import dataclass

from alerthistory_client.records import EnrichmentMode
from alerthistory_common.alerts import AlertEvent, Fingerprint, HistoryContext, Instant, Severity, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One event to judge, and what its alert's past says about it."""

    event: AlertEvent
    history: HistoryContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a person said about an alert. ``alert_name`` is empty when it was not known."""

    fingerprint: Fingerprint
    alert_name: str
    severity: Severity
    author: str
    reason: str
    created_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How an alert would be judged.

    ``question_json`` is what the LLM would be told, empty when it would not be asked; then ``not_asked_because`` says
    why. Alerts with the same ``template_hash`` share one answer of the LLM.
    """

    rules_verdict: Verdict
    override: Override | None
    question_json: bytes
    not_asked_because: str
    template_hash: str

    @property
    def severity(self) -> Severity:
        """The severity before any LLM is asked: a person's word, otherwise that of the rules."""
        return self.rules_verdict.severity if self.override is None else self.override.severity


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesComparison:
    """The verdicts of the rules that were tested, and of those in force."""

    tested: Verdict
    in_force: Verdict

    @property
    def is_changed(self) -> bool:
        """Whether the severities differ."""
        return self.tested.severity is not self.in_force.severity


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """One change of the enrichment mode. ``previous`` is None for the first; ``author`` is empty when nobody said."""

    previous: EnrichmentMode | None
    mode: EnrichmentMode
    changed_at: Instant
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCount:
    """How many verdicts one judge gave with one severity."""

    severity: Severity
    source: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsage:
    """What one model did and cost, in the currency of the configured prices.

    ``questions`` counts answers asked for, ``failures`` those that came to nothing; ``cache_hits`` and ``fallbacks``
    are verdicts that an earlier answer, or the rules, gave in its place.
    """

    model: str
    questions: int
    failures: int
    cache_hits: int
    fallbacks: int
    prompt_tokens: int
    completion_tokens: int
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictStats:
    """Counts of verdicts and of what the LLM did; ``daily_budget`` is None without a limit. Days are those of UTC."""

    verdicts: tuple[VerdictCount, ...]
    models: tuple[ModelUsage, ...]
    daily_budget: float | None
    spent_today: float
