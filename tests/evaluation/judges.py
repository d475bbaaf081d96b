"""The judges that are evaluated, and how they are asked."""

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from alerthistory_classifier.adapters.http_model import open_model
from alerthistory_classifier.adapters.rules_file import default_rules
from alerthistory_classifier.app import model_rules
from alerthistory_classifier.domain.guard import guarded
from alerthistory_classifier.domain.opinion import UnusableAnswerError
from alerthistory_classifier.domain.question import question
from alerthistory_classifier.domain.subject import subject
from alerthistory_classifier.metrics import ModelMetrics
from alerthistory_classifier.ports import ModelUnavailableError
from alerthistory_classifier.settings import ClassifierSettings
from alerthistory_common.alerts import AlertEvent, HistoryContext, Verdict
from alerthistory_common.clock import SystemClock
from alerthistory_common.settings import load
from alerthistory_common.telemetry import disabled
from tests.evaluation.scores import Answer
from tests.evaluation.sets import LabelledAlert

Judge = Callable[[AlertEvent, HistoryContext], Verdict | Awaitable[Verdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge said of *alert*, with the rules that it names."""

    alert: LabelledAlert
    answer: Answer
    rules: tuple[str, ...]


@asynccontextmanager
async def rules_judge() -> AsyncIterator[Judge]:
    """Yield the judge by rules: those that ship."""
    yield default_rules().judge


@asynccontextmanager
async def llm_judge() -> AsyncIterator[Judge]:
    """Yield the LLM that the classifier's settings name, guarded as in the service; the rules judge when it fails.

    Raises NoModelError when none is named.
    """
    (settings,) = load(ClassifierSettings)
    if not settings.llm_url:
        raise NoModelError
    metrics = ModelMetrics(CollectorRegistry())
    rules = default_rules()
    async with open_model(model_rules(settings), telemetry=disabled(), clock=SystemClock(), metrics=metrics) as model:

        async def judge(event: AlertEvent, history: HistoryContext) -> Verdict:
            asked = question(event, subject(event, history), history, situation="", model=model.name)
            try:
                opinion = await model.ask(asked)
            except (ModelUnavailableError, UnusableAnswerError):
                return rules.judge(event, history)
            return Verdict(
                severity=guarded(opinion.severity, is_critical_by_sender=rules.is_guarded(event, history)),
                confidence=opinion.confidence,
                reasoning=opinion.reasoning,
                source=model.name,
            )

        yield judge


class NoModelError(Exception):
    """No LLM is configured."""

    def __init__(self) -> None:
        super().__init__("No LLM is configured: set ALERTHISTORY_CLASSIFIER_LLM_URL and …_LLM_MODEL.")


JUDGES: Mapping[str, Callable[[], AbstractAsyncContextManager[Judge]]] = {"rules": rules_judge, "llm": llm_judge}
"""How each judge is opened, by its name."""


async def ask(judge: Judge, alerts: Sequence[LabelledAlert]) -> list[Judged]:
    """Return what *judge* says of each of *alerts*. One is asked after the other, so that latencies are its own."""
    return [await _ask(judge, alert) for alert in alerts]


async def _ask(judge: Judge, alert: LabelledAlert) -> Judged:
    event, context = alert.event(), alert.context()
    began = time.perf_counter()
    said = judge(event, context)
    verdict = await said if inspect.isawaitable(said) else said
    answer = Answer(
        expected=alert.severity,
        got=verdict.severity,
        confidence=verdict.confidence,
        latency_s=time.perf_counter() - began,
    )
    return Judged(alert=alert, answer=answer, rules=verdict.rules)
