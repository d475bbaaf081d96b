"""Judging alerts: a person's word, else the model's, else the rules'. There is always a verdict, and in time."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

from alerthistory_classifier.application.keeping import STORE_LIMIT_S
from alerthistory_classifier.application.opinions import NoOpinion, Opinions, Told
from alerthistory_classifier.application.overrides import Overrides, verdict_of
from alerthistory_classifier.application.tallying import Tallying
from alerthistory_classifier.domain import legacy_fallback
from alerthistory_classifier.domain.guard import guarded
from alerthistory_classifier.domain.opinion import Opinion
from alerthistory_classifier.domain.question import PROMPT_VERSION, Question, question
from alerthistory_classifier.domain.rules import RuleBook
from alerthistory_classifier.domain.subject import subject
from alerthistory_classifier.metrics import ClassifierMetrics, ModelMetrics
from alerthistory_classifier.ports import Classification, Override
from alerthistory_common.alerts import AlertEvent, HistoryContext, Instant, Severity, Verdict
from alerthistory_common.clock import Clock
from alerthistory_common.deadlines import budget

_RESERVE_S = STORE_LIMIT_S + 0.1
"""What of a caller's time is left for keeping the verdicts and for the answer."""


class Case(NamedTuple):
    """One event to judge, and what its alert's past says about it."""

    event: AlertEvent
    history: HistoryContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of a case; ``is_worth_keeping`` is False for what the older service never stored."""

    classification: Classification
    is_worth_keeping: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a case would be judged. ``not_asked_because`` is empty when the model would be asked."""

    rules_verdict: Verdict
    override: Override | None
    question: Question | None
    not_asked_because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model, and how it is used: awaited for *wait_s* at most. *is_legacy*: the older service's fallback judges."""

    opinions: Opinions
    wait_s: float
    is_legacy: bool
    metrics: ModelMetrics


_Found: TypeAlias = tuple[Verdict, dict[str, Any] | None, bool]


class Judging:
    """Gives verdicts. ``verdicts`` counts those given, by severity and judge."""

    def __init__(
        self,
        rules: Callable[[], RuleBook],
        overrides: Overrides,
        model: Model | None,
        *,
        tallying: Tallying,
        clock: Clock,
        metrics: ClassifierMetrics,
    ) -> None:
        self._rules = rules
        self._overrides = overrides
        self._model = model
        self._tallying = tallying
        self._clock = clock
        self._metrics = metrics
        self._latest = 0
        self.verdicts: Counter[tuple[Severity, str]] = Counter()

    async def judge(self, cases: Sequence[Case], *, is_new: bool = False) -> list[Judgement]:
        """Return what is thought of each of *cases*; with *is_new* the model is asked again what it has answered."""
        overrides = await self._overrides.known()
        open_ = [case for case in cases if case.event.fingerprint not in overrides]
        started = time.perf_counter()
        opinions = iter(await self._told(open_, is_new=is_new))
        took = timedelta(seconds=time.perf_counter() - started)
        judgements = []
        for case in cases:
            override = overrides.get(case.event.fingerprint)
            if override is not None:
                found: _Found = (verdict_of(override), None, True)
            else:
                found = self._weigh(case, next(opinions), took)
            judgements.append(self._judgement(case.event, *found))
        return judgements

    async def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return how each of *cases* would be judged. Nothing is asked, kept or counted."""
        overrides, rules = await self._overrides.known(), self._rules()
        return [self._explanation(case, overrides.get(case.event.fingerprint), rules) for case in cases]

    def _explanation(self, case: Case, override: Override | None, rules: RuleBook) -> Explanation:
        asked = None if self._model is None else self._question(case, self._model, rules)
        return Explanation(
            rules_verdict=rules.judge(*case),
            override=override,
            question=asked,
            not_asked_because="a person has said how serious it is" if override else self._why_not_asked(asked),
        )

    def _why_not_asked(self, asked: Question | None) -> str:
        if asked is None or self._model is None:
            return "no LLM is configured"
        if asked.is_suspicious:
            return "its texts give orders to an LLM"
        if self._tallying.is_budget_spent:
            return "the LLM's daily budget is spent"
        return "the LLM failed too often" if self._model.opinions.is_failing else ""

    async def _told(self, cases: Sequence[Case], *, is_new: bool) -> Sequence[Told | None]:
        model = self._model
        if model is None or not cases:
            return [None] * len(cases)
        rules = self._rules()
        within_s = max(0.0, budget(model.wait_s + _RESERVE_S) - _RESERVE_S)
        questions = [self._question(case, model, rules) for case in cases]
        return await model.opinions.of_all(questions, within_s=within_s, is_new=is_new)

    def _question(self, case: Case, model: Model, rules: RuleBook) -> Question:
        return question(
            case.event,
            subject(*case),
            case.history,
            situation=str(rules.situation(*case)),
            model=model.opinions.model.name,
        )

    def _weigh(self, case: Case, told: Told | None, took: timedelta) -> _Found:
        """Return the verdict, what else was said, and whether to keep it."""
        model = self._model
        if told is None or model is None:
            return self._by_rules(case), None, True
        answer = told.answer
        if isinstance(answer, Opinion):
            if not told.is_new:
                self._tallying.shared(model.opinions.model.name)
            return self._by_model(case, answer, model, took)
        self._tallying.fell_back(model.opinions.model.name)
        model.metrics.fallbacks.labels(answer.reason).inc()
        return self._by_legacy(case, answer) if model.is_legacy else self._by_rules_instead(case, answer)

    def _by_rules(self, case: Case) -> Verdict:
        started = time.perf_counter()
        judged = self._rules().judge(*case)
        taken = time.perf_counter() - started
        self._metrics.duration.observe(taken)
        return replace(judged, processing_time=timedelta(seconds=taken))

    def _by_rules_instead(self, case: Case, answer: NoOpinion) -> _Found:
        return self._by_rules(case), {"fallback": True, "error": answer.text, "method": "rules"}, True

    def _by_legacy(self, case: Case, answer: NoOpinion) -> _Found:
        if answer.reason == "unusable":
            verdict = legacy_fallback.after_nonsense(answer.text)
            return verdict, {"error": answer.text, **self._validated(verdict.confidence)}, True
        verdict = legacy_fallback.after_failure(subject(*case), answer.text)
        return verdict, {"fallback": True, "error": answer.text, "method": "label_analysis"}, False

    def _by_model(self, case: Case, opinion: Opinion, model: Model, took: timedelta) -> _Found:
        is_critical = not model.is_legacy and self._rules().is_guarded(*case)
        severity = guarded(opinion.severity, is_critical_by_sender=is_critical)
        reasoning = opinion.reasoning
        if severity is not opinion.severity:
            reasoning += f" (The model says {opinion.severity.value}; the sender says critical, so it stays a warning.)"
        verdict = Verdict(
            severity=severity,
            confidence=opinion.confidence,
            reasoning=reasoning,
            recommendations=opinion.recommendations,
            source=model.opinions.model.name,
            processing_time=took,
        )
        metadata = {
            "model": model.opinions.model.name,
            "tags": list(opinion.tags),
            "llm_usage": {
                "prompt_tokens": opinion.usage.prompt_tokens,
                "completion_tokens": opinion.usage.completion_tokens,
                "total_tokens": opinion.usage.total_tokens,
            },
            "proxy_url": model.opinions.model.url,
            **self._validated(opinion.said_confidence),
            "category": opinion.category,
            "prompt_version": PROMPT_VERSION,
        }
        return verdict, metadata, True

    def _validated(self, said_confidence: float) -> dict[str, Any]:
        return {
            "validated": True,
            "validation_timestamp": self._clock.now().micros / 1_000_000,
            "original_confidence": said_confidence,
        }

    def _judgement(
        self, event: AlertEvent, verdict: Verdict, metadata: dict[str, Any] | None, is_worth_keeping: bool
    ) -> Judgement:
        self._metrics.verdicts.labels(verdict.severity.value, verdict.source).inc()
        self._tallying.verdict(verdict.source, verdict.severity)
        self.verdicts[verdict.severity, verdict.source] += 1
        classification = Classification(
            fingerprint=event.fingerprint,
            alert_name=event.alert_name,
            verdict=verdict,
            created_at=self._next_moment(),
            metadata_json=b"" if metadata is None else json.dumps(metadata, ensure_ascii=False).encode(),
        )
        return Judgement(classification=classification, is_worth_keeping=is_worth_keeping)

    def _next_moment(self) -> Instant:
        """Return now, later than the last time: lists show the verdicts of one payload in its order."""
        self._latest = max(self._clock.now().micros, self._latest + 1)
        return Instant(self._latest)
