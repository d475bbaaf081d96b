"""The reliability diagram: how often a judge is right, by how sure it says it is."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.evaluation.scores import BINS, Answer, bins

_WIDTH = 0.8 / BINS


def draw(answers: Sequence[Answer], path: Path, *, judge: str) -> None:
    """Write the diagram of *answers* to *path* as SVG; the same answers give the same bytes."""
    mpl.rcParams.update({"svg.hashsalt": "same", "svg.fonttype": "none"})
    figure, axes = plt.subplots(layout="constrained", figsize=(5, 5))
    found = bins(answers)
    bars = axes.bar([each.confidence for each in found], [each.accuracy for each in found], width=_WIDTH)
    axes.bar_label(bars, labels=[str(each.count) for each in found], padding=2)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="as sure as right")
    axes.set(xlabel="mean confidence of the bin", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.2))
    axes.set_title(f"{judge}: {len(answers)} alerts, their number above each bin")
    axes.legend(loc="upper left")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
