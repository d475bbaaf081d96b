"""How much memory the five processes take, and how soon one process is ready: ``python -m tests.load.footprint``.

Memory is idle and after webhooks of ten new alerts were posted for a while, with what waits drained: the proportional
set of each process (PSS: a page that several map, such as the interpreter's code, is shared among them, so that the sum
is what the machine gives), and the resident set of all (RSS: such pages counted in each). Start-up is from the start of
``alerthistory serve`` on SQLite to the first answer of ``/readyz``.
"""

import statistics
import sys
import time
from itertools import count
from pathlib import Path

import httpx
import psutil
import uvloop

from tests.databases import new_database, postgres_server
from tests.load.posting import Load, lasting
from tests.load.results import write
from tests.processes import Program, answers, script, short_folder
from tests.suites import Suite

_STARTS = 5
_SETTLE_S = 5.0
_MIB = 1024 * 1024


def _memory(program: Program) -> dict[str, float]:
    """Return the proportional MiB of each service and together, and the resident MiB together."""
    found, resident = {}, 0
    for child in psutil.Process(program.process.pid).children():
        name = " ".join(child.cmdline()).split("alerthistory-", 1)[-1].split()[0]
        taken = child.memory_full_info()
        found[name] = round(taken.pss / _MIB, 1)
        resident += taken.rss
    return found | {"together": round(sum(found.values()), 1), "together, resident": round(resident / _MIB, 1)}


def _memories(seconds: float) -> list[dict[str, object]]:
    with short_folder() as folder, postgres_server() as server, new_database(server) as database:
        suite = Suite(folder, form="services", database=database, env={"ALERTHISTORY_LOG_LEVEL": "warning"})
        with suite.running() as program:
            time.sleep(_SETTLE_S)
            idle = _memory(program)
            load = Load(suite.port, count(), connections=8, per_webhook=10, interval_s=0.02)
            uvloop.run(load.run(lasting(seconds)))
            time.sleep(_SETTLE_S)
            loaded = _memory(program)
    return [{"what": f"MiB of {name}", "idle": idle[name], f"after {load.count} alerts": loaded[name]} for name in idle]


def _start_up(folder: Path) -> float:
    suite = Suite(folder)
    suite.run("alerthistory", "migrate")
    with httpx.Client(trust_env=False) as client:
        began = time.perf_counter()
        program = Program(script("alerthistory"), "serve", env=suite.env, log=folder / "suite.log")
        try:
            while not answers(f"{suite.url}/readyz", client):
                time.sleep(0.01)
            return time.perf_counter() - began
        finally:
            program.stop()


def main() -> None:
    """Measure, print and write the results."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    rows = _memories(seconds)
    starts = []
    for _ in range(_STARTS):
        with short_folder() as folder:
            starts.append(_start_up(folder))
    rows.append({"what": "seconds to ready", "idle": round(statistics.median(starts), 2)})
    for row in rows:
        sys.stdout.write("  ".join(f"{key}: {value}" for key, value in row.items()) + "\n")
    write("footprint", rows)


if __name__ == "__main__":
    main()
