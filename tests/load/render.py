"""Draws the plots and writes the tables of docs/performance from the results: ``make bench-docs``."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, Any]]

_FOLDER = Path(__file__).parents[2] / "docs/performance"
_MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Write what the page's marks ask for."""
    mpl.rcParams.update({"svg.hashsalt": "same", "svg.fonttype": "none", "figure.figsize": (8, 4)})
    page = _FOLDER / "README.md"
    page.write_text(_MARKED.sub(lambda found: f"{found[1]}{_part(found[2])}{found[3]}", page.read_text()))


def _part(name: str) -> str:
    source = _FOLDER / "results" / f"{name}.json"
    if not source.exists():
        return "Not measured yet.\n"
    result = json.loads(source.read_text())
    drawn = ""
    if draw := _PLOTS.get(name):
        figure, axes = plt.subplots(layout="constrained")
        draw(axes, result["rows"])
        figure.savefig(_FOLDER / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)
        drawn = f"![{name}]({name}.svg)\n\n"
    return f"{drawn}{_table(result['rows'])}\nMeasured on {result['machine']}.\n"


def _table(rows: Rows) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names), *([_cell(row.get(name, "")) for name in names] for row in rows)]
    return "".join(f"| {' | '.join(text.replace('_', ' ') for text in line)} |\n" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(each)}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _comparison(axes: Axes, rows: Rows) -> None:
    bars = axes.barh([row["what"] for row in rows], [row["alerts_per_s"] for row in rows])
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set(xlabel="alerts/s, ten per webhook, 64 connections", xscale="log")
    axes.margins(x=0.15)
    axes.invert_yaxis()


def _ingest(axes: Axes, rows: Rows) -> None:
    for (connections,), line in _grouped(rows, "connections"):
        axes.plot(
            [row["per_webhook"] for row in line],
            [row["alerts_per_s"] for row in line],
            marker="o",
            label=f"{connections} connections",
        )
    axes.set(xlabel="alerts per webhook", ylabel="alerts/s", xscale="log", yscale="log")
    axes.legend()


def _queries(axes: Axes, rows: Rows) -> None:
    """Draw a line for every query and page, in the colour of its list."""
    for number, (name, lines) in enumerate(_by_list(rows)):
        for label, line in zip([name, *["_unnamed"] * len(lines)], lines, strict=False):
            events, times = [row["events"] for row in line], [row["p99_ms"] for row in line]
            axes.plot(events, times, color=f"C{number}", marker=".", linewidth=0.7, label=label)
    axes.set(xlabel="events in history", ylabel="p99 of a page of 100, ms", xscale="log", yscale="log")
    axes.axhline(25, linestyle=":", color="grey")
    axes.legend()


def _by_list(rows: Rows) -> Iterable[tuple[str, list[Rows]]]:
    lists: dict[str, list[Rows]] = {}
    for (query, _), line in _grouped(rows, "query", "page"):
        lists.setdefault(query.partition(":")[0], []).append(line)
    return lists.items()


def _reports(axes: Axes, rows: Rows) -> None:
    for (what,), line in _grouped([row for row in rows if row.get("p99_ms")], "what"):
        axes.plot([int(row["log"]) for row in line], [row["p99_ms"] for row in line], marker="o", label=what)
    axes.set(xlabel="events in history", ylabel="p99 of a report of 7 days, ms", xscale="log", ylim=(0, None))
    axes.axhline(100, linestyle=":", color="grey")
    axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))


def _grouped(rows: Rows, *names: str) -> Iterable[tuple[tuple[Any, ...], Rows]]:
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups.items()


_PLOTS = {"comparison": _comparison, "ingest": _ingest, "queries": _queries, "reports": _reports}


if __name__ == "__main__":
    main()
