"""The evaluation as Markdown tables, the same in a terminal and in docs/evaluation."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from alerthistory_common.alerts import Severity
from tests.evaluation.judges import Judged
from tests.evaluation.scores import Scores
from tests.evaluation.sets import LabelledAlert


def sets_table(sets: Mapping[str, Sequence[LabelledAlert]]) -> str:
    """Return how many alerts of each severity the sets hold."""
    rows = []
    for name, alerts in sets.items():
        counted = Counter(alert.severity for alert in alerts)
        rows.append([name, len(alerts), *(counted[severity] for severity in Severity)])
    return _table(["set", "alerts", *Severity], rows)


def scores_table(scores: Mapping[tuple[str, str], Scores]) -> str:
    """Return the scores by judge and set; each severity's column holds precision / recall."""
    names = ["judge", "set", "accuracy", "macro F1", "ECE", *Severity, "p50", "p99"]
    return _table(names, ([judge, name, *_score_cells(each)] for (judge, name), each in scores.items()))


def confusion_table(scores: Scores) -> str:
    """Return which severity was taken for which."""
    rows = (
        [f"expected {expected}", *(scores.confusion.get((expected, got), 0) for got in Severity)]
        for expected in Severity
    )
    return _table(["", *Severity], rows)


def misses_table(judged: Sequence[Judged]) -> str:
    """Return the answers that are not right."""
    rows = (
        [each.alert.id, each.answer.expected, each.answer.got, each.answer.confidence, ", ".join(each.rules)]
        for each in judged
        if not each.answer.is_right
    )
    return _table(["id", "expected", "got", "confidence", "rules"], rows)


def line_for_programs(scores: Scores) -> str:
    """Return the three figures that others compare."""
    return f"accuracy={scores.accuracy:.3f} macro_f1={scores.macro_f1:.3f} ece={scores.ece:.3f}"


def _score_cells(scores: Scores) -> list[str]:
    return [
        *(f"{figure:.3f}" for figure in (scores.accuracy, scores.macro_f1, scores.ece)),
        *(f"{each.precision:.2f} / {each.recall:.2f}" for each in scores.classes.values()),
        _duration(scores.p50_s),
        _duration(scores.p99_s),
    ]


def _duration(seconds: float) -> str:
    """Return *seconds* so coarsely that two runs of the rules agree."""
    if seconds < 0.001:
        return "under 1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)
