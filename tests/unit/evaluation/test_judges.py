"""Asking judges, and telling what they said."""

from alerthistory_common.alerts import AlertEvent, HistoryContext, Severity, Verdict
from tests.evaluation.judges import Judge, Judged, ask, rules_judge
from tests.evaluation.scores import Answer, score
from tests.evaluation.sets import LabelledAlert, Past
from tests.evaluation.tables import line_for_programs, misses_table, scores_table
from tests.events import verdict


def alert(number: int = 1, severity: Severity = Severity.WARNING) -> LabelledAlert:
    """Return a labelled alert that fired *number* times before."""
    return LabelledAlert(
        id=f"node-{number}",
        family="node",
        labels={"alertname": "DiskFull"},
        annotations={},
        history=Past(times_fired=number, median_duration_s=None, last_resolved_ago_s=None, flaps_per_hour=0.0),
        severity=severity,
        why="a reason",
    )


def stoic(_event: AlertEvent, history: HistoryContext) -> Verdict:
    """Judge everything a warning, the surer the more often it fired."""
    return verdict(severity=Severity.WARNING, confidence=history.times_fired / 10)


async def slow_stoic(event: AlertEvent, history: HistoryContext) -> Verdict:
    """Judge as the stoic does, in a coroutine."""
    return stoic(event, history)


async def said(judge: Judge) -> list[tuple[str, Severity, float]]:
    """Return what *judge* says of two alerts."""
    judged = await ask(judge, [alert(3), alert(7, Severity.INFO)])
    return [(each.alert.id, each.answer.got, each.answer.confidence) for each in judged]


async def test_a_judge_may_be_a_coroutine() -> None:
    assert (
        await said(slow_stoic)
        == await said(stoic)
        == [
            ("node-3", Severity.WARNING, 0.3),
            ("node-7", Severity.WARNING, 0.7),
        ]
    )


async def test_the_rules_are_a_judge() -> None:
    async with rules_judge() as judge:
        (judged,) = await ask(judge, [alert()])
    assert judged.rules
    assert judged.answer.latency_s > 0


def test_only_misses_are_listed() -> None:
    judged = [
        Judged(alert=each, answer=Answer(expected=each.severity, got=Severity.INFO, confidence=0.4), rules=("a", "b"))
        for each in (alert(1, Severity.INFO), alert(2, Severity.NOISE))
    ]
    assert misses_table(judged).splitlines()[2:] == ["| node-2 | noise | info | 0.4 | a, b |"]


def test_judges_share_one_table() -> None:
    right = score([Answer(expected=Severity.INFO, got=Severity.INFO, confidence=1.0, latency_s=0.25)])
    wrong = score([Answer(expected=Severity.INFO, got=Severity.NOISE, confidence=1.0)])
    rows = scores_table({("rules", "tuning"): right, ("llm", "tuning"): wrong}).splitlines()[2:]
    nothing, everything = "0.00 / 0.00", "1.00 / 1.00"
    found = f"{nothing} | {nothing} | {everything} | {nothing}"
    missed = " | ".join([nothing] * 4)
    assert rows == [
        f"| rules | tuning | 1.000 | 1.000 | 0.000 | {found} | 250 ms | 250 ms |",
        f"| llm | tuning | 0.000 | 0.000 | 1.000 | {missed} | under 1 ms | under 1 ms |",
    ]


def test_the_line_for_programs_has_three_figures() -> None:
    right = score([Answer(expected=Severity.INFO, got=Severity.INFO, confidence=0.875)])
    assert line_for_programs(right) == "accuracy=1.000 macro_f1=1.000 ece=0.125"
