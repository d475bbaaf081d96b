"""The judges that are evaluated, and how they are asked."""

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from alerthistory_classifier.domain import rules
from alerthistory_common.alerts import AlertEvent, HistoryContext, Verdict
from tests.evaluation.scores import Answer
from tests.evaluation.sets import LabelledAlert

Judge = Callable[[AlertEvent, HistoryContext], Verdict | Awaitable[Verdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge said of *alert*, with the rules that it names."""

    alert: LabelledAlert
    answer: Answer
    rules: tuple[str, ...]


def rules_judge() -> Judge:
    """Return the judge by rules."""
    return rules.judge


JUDGES: Mapping[str, Callable[[], Judge]] = {"rules": rules_judge}
"""How each judge is made, by its name."""


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
