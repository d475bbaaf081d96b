"""Scores of a judge: how often it is right, for each severity, and whether its confidence can be trusted."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerthistory_common.alerts import Severity

BINS = 10
"""Bins of confidence, equally wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a judge said of one alert: *got* where *expected* is right, with a *confidence* of 0-1."""

    expected: Severity
    got: Severity
    confidence: float
    latency_s: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether the judge found the severity that the label says."""
        return self.got is self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """How well one severity is found. What would divide by nothing is 0."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return _ratio(2 * self.precision * self.recall, self.precision + self.recall)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The answers whose confidence lies in one tenth of its range; *count* is at least 1."""

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Everything that is told of a judge on a set. *confusion* counts (expected, got)."""

    accuracy: float
    macro_f1: float
    ece: float
    classes: Mapping[Severity, ClassScore]
    confusion: Mapping[tuple[Severity, Severity], int]
    p50_s: float
    p99_s: float


def score(answers: Sequence[Answer]) -> Scores:
    """Return the scores of *answers*; raise ValueError when there are none."""
    if not answers:
        raise ValueError("no answers, no scores")
    confusion = Counter((answer.expected, answer.got) for answer in answers)
    classes = {severity: _class_score(confusion, severity) for severity in Severity}
    occurring = {severity for pair in confusion for severity in pair}
    return Scores(
        accuracy=_accuracy(answers),
        macro_f1=sum(classes[severity].f1 for severity in occurring) / len(occurring),
        ece=expected_calibration_error(answers),
        classes=classes,
        confusion=confusion,
        p50_s=_quantile([answer.latency_s for answer in answers], 0.5),
        p99_s=_quantile([answer.latency_s for answer in answers], 0.99),
    )


def bins(answers: Sequence[Answer]) -> list[Bin]:
    """Return the bins that hold answers, by rising confidence. A bound belongs to the bin below it, and 0 to the first.

    Raises ValueError for a confidence outside 0-1.
    """
    binned: dict[int, list[Answer]] = {}
    for answer in answers:
        binned.setdefault(_bin_of(answer.confidence), []).append(answer)
    return [
        Bin(
            count=len(each),
            confidence=math.fsum(answer.confidence for answer in each) / len(each),
            accuracy=_accuracy(each),
        )
        for _, each in sorted(binned.items())
    ]


def expected_calibration_error(answers: Sequence[Answer]) -> float:
    """Return how far confidence is from accuracy: the distance in each bin, weighed by its answers (Guo et al. 2017).

    0.0 means that of the answers given with a confidence of 0.7, seven in ten are right.
    """
    gaps = (each.count * abs(each.accuracy - each.confidence) for each in bins(answers))
    return math.fsum(gaps) / len(answers)


def _bin_of(confidence: float) -> int:
    if not 0 <= confidence <= 1:
        raise ValueError(f"a confidence of {confidence}")
    # 0.7 * 10 is 7.000000000000001 in some sums; the bound is meant.
    return max(math.ceil(round(confidence * BINS, 9)) - 1, 0)


def _class_score(confusion: Mapping[tuple[Severity, Severity], int], severity: Severity) -> ClassScore:
    found = confusion.get((severity, severity), 0)
    answered = sum(count for (_, got), count in confusion.items() if got is severity)
    expected = sum(count for (right, _), count in confusion.items() if right is severity)
    return ClassScore(precision=_ratio(found, answered), recall=_ratio(found, expected))


def _accuracy(answers: Sequence[Answer]) -> float:
    return sum(answer.is_right for answer in answers) / len(answers)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* of the *values* do not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
