"""How well alerts are judged: ``python -m tests.evaluation``, over the labelled sets of docs/evaluation.

Writes a page of results and a reliability diagram per judge, unless told to be brief. The last line is for programs:
the scores of the first judge on the held-out set, or on what there is without it. Scores over all sets together would
speak of what was learned by heart.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.evaluation.judges import JUDGES, Judged, NoModelError, ask
from tests.evaluation.scores import Answer, score
from tests.evaluation.sets import FOLDER, NAMES, BadSetError, LabelledAlert, path_of, read_set
from tests.evaluation.tables import confusion_table, line_for_programs, misses_table, scores_table, sets_table

_TUNING = "tuning"
_HELD_OUT = "held-out"

Sets = Mapping[str, Sequence[LabelledAlert]]
Results = Mapping[str, Mapping[str, Sequence[Judged]]]
"""What was said, by judge and set."""


def main() -> None:
    """Judge, print and write."""
    asked = _arguments()
    sets = _read_sets(asked.set)
    try:
        results = asyncio.run(_judge(sets, asked.judge))
    except NoModelError as error:
        sys.exit(str(error))
    report = _report(sets, results)
    sys.stdout.write(report)
    if asked.misses:
        sys.stdout.write(_misses(results))
    if not asked.brief:
        _write(asked.out, report, results)
    sys.stdout.write(f"{line_for_programs(score(_for_programs(results[asked.judge[0]])))}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation", description="Judge the labelled alerts.")
    parser.add_argument("--set", nargs="+", choices=NAMES, default=list(NAMES), help="the sets that are judged")
    parser.add_argument("--judge", nargs="+", choices=list(JUDGES), default=["rules"], help="the judges, in order")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where results are written (default: %(default)s)")
    parser.add_argument("--brief", action="store_true", help="write nothing")
    parser.add_argument("--misses", action="store_true", help="list what is missed in the tuning set, and only there")
    return parser.parse_args()


def _read_sets(names: Sequence[str]) -> Sets:
    """Return those of the sets that are there, and say which are not; leave when none is, or one cannot be read."""
    found: dict[str, Sequence[LabelledAlert]] = {}
    for name in names:
        try:
            found[name] = read_set(path_of(name))
        except FileNotFoundError:
            sys.stderr.write(f"The set {name} is left out: there is no {path_of(name)}.\n")
        except BadSetError as error:
            sys.exit(str(error))
    if not found:
        sys.exit("There is no set to judge.")
    return found


async def _judge(sets: Sets, judges: Sequence[str]) -> Results:
    results: dict[str, dict[str, Sequence[Judged]]] = {}
    for name in judges:
        async with JUDGES[name]() as judge:
            results[name] = {each: await ask(judge, alerts) for each, alerts in sets.items()}
    return results


def _report(sets: Sets, results: Results) -> str:
    scores = {
        (judge, name): score([each.answer for each in judged])
        for judge, by_set in results.items()
        for name, judged in by_set.items()
    }
    unread = {judge: score(_for_programs(by_set)) for judge, by_set in results.items()}
    confusions = (
        f"What {judge} took for what{_where(results[judge])}:\n\n{confusion_table(each)}"
        for judge, each in unread.items()
    )
    scored = f"Of each severity: precision / recall.\n\n{scores_table(scores)}"
    return "".join(f"{part}\n" for part in (sets_table(sets), scored, *confusions))


def _misses(results: Results) -> str:
    """Return what each judge missed in the tuning set: whoever looks at the held-out one tunes by it."""
    return "".join(
        f"What {judge} missed in {_TUNING}:\n\n{misses_table(by_set[_TUNING])}\n"
        for judge, by_set in results.items()
        if _TUNING in by_set
    )


def _write(folder: Path, report: str, results: Results) -> None:
    try:  # Here, because matplotlib is no development dependency.
        from tests.evaluation.diagram import draw
    except ModuleNotFoundError:
        sys.exit("Drawing needs matplotlib, which `make eval` brings; `--brief` does without.")
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for judge, by_set in results.items():
        draw(_for_programs(by_set), folder / f"reliability-{judge}.svg", judge=judge)
        images.append(f"![reliability of {judge}](reliability-{judge}.svg)\n")
    page = f"# Results\n\nWritten by `make eval`; [README.md](README.md) says what the sets are.\n\n{report}"
    (folder / "results.md").write_text(page + "\n".join(images), encoding="utf-8")


def _where(by_set: Mapping[str, Sequence[Judged]]) -> str:
    return f" in {_HELD_OUT}" if _HELD_OUT in by_set else ""


def _for_programs(by_set: Mapping[str, Sequence[Judged]]) -> list[Answer]:
    """Return the answers that tell something: those on the held-out set, without it all."""
    sets = [by_set[_HELD_OUT]] if _HELD_OUT in by_set else by_set.values()
    return [each.answer for judged in sets for each in judged]


if __name__ == "__main__":
    main()
