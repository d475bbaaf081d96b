"""Scores of small sets of answers, reckoned by hand."""

import pytest

from alerthistory_common.alerts import Severity
from tests.evaluation.scores import Answer, Bin, bins, expected_calibration_error, score

CRITICAL, WARNING, INFO, NOISE = Severity.CRITICAL, Severity.WARNING, Severity.INFO, Severity.NOISE


def answers(*pairs: tuple[Severity, Severity], confidence: float = 0.5) -> list[Answer]:
    """Return an answer for each pair of what is right and what was said."""
    return [Answer(expected=expected, got=got, confidence=confidence) for expected, got in pairs]


def sure(confidence: float, *, right: int, wrong: int) -> list[Answer]:
    """Return *right* and *wrong* answers, all given with the same confidence."""
    return answers(*[(INFO, INFO)] * right, *[(INFO, NOISE)] * wrong, confidence=confidence)


FOUR = answers((CRITICAL, CRITICAL), (CRITICAL, WARNING), (WARNING, WARNING), (WARNING, WARNING))


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert score(FOUR).accuracy == 0.75


def test_precision_counts_what_was_said_and_recall_what_is_right() -> None:
    found = score(FOUR).classes
    assert (found[CRITICAL].precision, found[CRITICAL].recall) == (1.0, 0.5)
    assert (found[WARNING].precision, found[WARNING].recall) == (2 / 3, 1.0)


def test_f1_is_the_harmonic_mean() -> None:
    assert score(FOUR).classes[CRITICAL].f1 == pytest.approx(2 / 3)
    assert score(FOUR).classes[WARNING].f1 == pytest.approx(0.8)


def test_macro_f1_weighs_the_severities_that_occur_alike() -> None:
    assert score(FOUR).macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)


def test_a_severity_that_was_only_said_counts_in_macro_f1() -> None:
    assert score(answers((INFO, INFO), (INFO, NOISE))).macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_a_severity_that_does_not_occur_scores_nothing() -> None:
    found = score(FOUR).classes[NOISE]
    assert (found.precision, found.recall, found.f1) == (0.0, 0.0, 0.0)


def test_confusion_counts_pairs_of_right_and_said() -> None:
    assert score(FOUR).confusion == {(CRITICAL, CRITICAL): 1, (CRITICAL, WARNING): 1, (WARNING, WARNING): 2}


def test_latencies_are_taken_by_nearest_rank() -> None:
    timed = [Answer(expected=INFO, got=INFO, confidence=1, latency_s=each / 100) for each in range(100, 0, -1)]
    assert (score(timed).p50_s, score(timed).p99_s) == (0.5, 0.99)


def test_a_judge_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    calibrated = [*sure(0.9, right=9, wrong=1), *sure(0.5, right=5, wrong=5)]
    assert expected_calibration_error(calibrated) == pytest.approx(0)


def test_the_same_answers_with_false_confidence_have_one() -> None:
    """The negative control: all that differs from the calibrated judge is how sure this one says it is."""
    exchanged = [*sure(0.5, right=9, wrong=1), *sure(0.9, right=5, wrong=5)]
    assert expected_calibration_error(exchanged) == pytest.approx(0.4)


def test_calibration_errors_of_bins_do_not_cancel_out() -> None:
    """A judge whose mean confidence is its accuracy may still be wrong about each answer."""
    assert expected_calibration_error([*sure(1.0, right=0, wrong=1), *sure(0.0, right=1, wrong=0)]) == 1.0


def test_calibration_errors_are_weighed_by_the_answers_of_their_bin() -> None:
    assert expected_calibration_error([*sure(0.8, right=0, wrong=1), *sure(1.0, right=3, wrong=0)]) == pytest.approx(
        0.2
    )


def test_bins_hold_their_upper_bound_and_the_first_holds_zero() -> None:
    found = bins([*sure(0.0, right=1, wrong=0), *sure(0.1, right=0, wrong=1), *sure(0.7, right=1, wrong=0)])
    assert found == [
        Bin(count=2, confidence=0.05, accuracy=0.5),
        Bin(count=1, confidence=0.7, accuracy=1.0),
    ]


@pytest.mark.parametrize("tenth", range(1, 11))
def test_every_bound_lies_in_the_bin_below_it(tenth: int) -> None:
    assert len(bins([*sure(tenth / 10, right=1, wrong=0), *sure(tenth / 10 - 0.05, right=1, wrong=0)])) == 1


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan")])
def test_a_confidence_outside_its_range_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        score(sure(confidence, right=1, wrong=0))


def test_no_answers_have_no_scores() -> None:
    with pytest.raises(ValueError, match="no answers"):
        score([])
