"""Learns what single words speak for: ``python -m tests.evaluation.learn``, or ``make learn``.

Fits a multinomial logistic regression to the tuning set (never to the held-out one): every alert starts with the votes
of the rules, and the stems of its words add theirs, drawn towards nothing by a quadratic penalty. Writes the lexicon
that ships with the classifier, and prints how well it does on each fifth of the set when learned from the others.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

import alerthistory_classifier
from alerthistory_classifier.adapters.rules_file import default_rules
from alerthistory_classifier.domain.lexicon import Lexicon, stems
from alerthistory_classifier.domain.subject import subject
from tests.evaluation.sets import LabelledAlert, path_of, read_set

_CLASSES = ("critical", "warning", "info", "noise")
_PENALTY = 0.15
_MIN_ALERTS = 2
_FOLDS = 5
_DIGITS = 2

_FILE = Path(alerthistory_classifier.__file__).parent / "lexicon.tsv"


class Examples:
    """Alerts as the fit sees them: the votes of the rules, the stems, and the right answers."""

    def __init__(self, alerts: Sequence[LabelledAlert]) -> None:
        book = replace(default_rules(), lexicon=Lexicon(votes={}))
        self.rules = np.array([list(book.votes(each.event(), each.context())) for each in alerts])
        self.stems = [_stems(each) for each in alerts]
        self.answers = np.array([_CLASSES.index(each.severity.value) for each in alerts])

    def part(self, chosen: Sequence[int]) -> "Examples":
        """Return some of them."""
        found = object.__new__(Examples)
        found.rules, found.answers = self.rules[list(chosen)], self.answers[list(chosen)]
        found.stems = [self.stems[each] for each in chosen]
        return found


def _stems(alert: LabelledAlert) -> frozenset[str]:
    return stems(subject(alert.event(), alert.context(), told=default_rules().sender.told).wording)


def learn(examples: Examples) -> dict[str, np.ndarray]:
    """Return the votes of every stem that appears often enough."""
    counts = Counter(stem for each in examples.stems for stem in each)
    known = sorted(stem for stem, count in counts.items() if count >= _MIN_ALERTS)
    features = _features(examples, known)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        votes = flat.reshape(len(known), len(_CLASSES))
        odds = examples.rules + features @ votes
        odds -= odds.max(axis=1, keepdims=True)
        shares = np.exp(odds)
        shares /= shares.sum(axis=1, keepdims=True)
        rows = np.arange(len(examples.answers))
        value = -np.log(np.clip(shares[rows, examples.answers], 1e-12, 1)).sum() + _PENALTY * (votes**2).sum()
        shares[rows, examples.answers] -= 1
        return value, (features.T @ shares + 2 * _PENALTY * votes).ravel()

    fitted = minimize(loss, np.zeros(len(known) * len(_CLASSES)), jac=True, method="L-BFGS-B").x
    return dict(zip(known, fitted.reshape(len(known), len(_CLASSES)), strict=True))


def _features(examples: Examples, known: Sequence[str]) -> csr_matrix:
    place = {stem: number for number, stem in enumerate(known)}
    cells = [(row, place[stem]) for row, each in enumerate(examples.stems) for stem in each if stem in place]
    rows, columns = zip(*cells, strict=True)
    return csr_matrix((np.ones(len(cells)), (rows, columns)), shape=(len(examples.stems), len(known)))


def accuracy(votes: dict[str, np.ndarray], examples: Examples) -> float:
    """Return how often the rules and *votes* are right."""
    nothing = np.zeros(len(_CLASSES))
    words = np.array([sum((votes.get(stem, nothing) for stem in each), nothing) for each in examples.stems])
    return float(((examples.rules + words).argmax(axis=1) == examples.answers).mean())


def _write(votes: dict[str, np.ndarray]) -> None:
    lines = ["\t".join(("stem", *_CLASSES))]
    lines += ["\t".join((stem, *(f"{each:.{_DIGITS}f}" for each in found))) for stem, found in sorted(votes.items())]
    _FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Learn, say how well, and write."""
    examples = Examples(read_set(path_of("tuning")))
    numbers = range(len(examples.answers))
    for fold in range(_FOLDS):
        others = examples.part([each for each in numbers if each % _FOLDS != fold])
        own = examples.part([each for each in numbers if each % _FOLDS == fold])
        sys.stdout.write(
            f"fifth {fold + 1}: rules alone {accuracy({}, own):.3f}, with words learned from the others "
            f"{accuracy(learn(others), own):.3f}\n"
        )
    votes = learn(examples)
    _write(votes)
    sys.stdout.write(f"{len(votes)} stems learned from {len(examples.answers)} alerts: {_FILE.name}\n")


if __name__ == "__main__":
    main()
