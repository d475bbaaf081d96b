"""How many alerts a second are acknowledged, and how soon: ``python -m tests.load.ingest [SECONDS]``.

Five processes over a PostgreSQL that syncs, and a generator that posts webhooks of new alerts over loopback: every
setting in turn, three rounds interleaved. Prints the medians and writes ``docs/performance/results/ingest.json``.
Load generator, suite and PostgreSQL share the machine, so compare the rows of one run, not runs.
"""

import itertools
import statistics
import sys
from dataclasses import asdict, dataclass
from typing import NamedTuple

import uvloop

from tests.databases import new_database, postgres_server
from tests.load.posting import Load, lasting
from tests.load.results import write
from tests.processes import short_folder
from tests.suites import Suite

_ROUNDS = 3


class Setting(NamedTuple):
    """How webhooks are posted."""

    per_webhook: int
    connections: int


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured in one setting: medians over the rounds."""

    per_webhook: int
    connections: int
    alerts_per_s: int
    acknowledge_p50_ms: float
    acknowledge_p99_ms: float


_SETTINGS = [Setting(per_webhook, connections) for per_webhook in (1, 10, 100) for connections in (1, 8, 64)]


async def _measure(port: int, seconds: float) -> list[Row]:
    found: dict[Setting, list[tuple[float, float, float]]] = {setting: [] for setting in _SETTINGS}
    numbers = itertools.count()
    await Load(port, numbers, connections=8, per_webhook=10).run(lasting(1))
    for _ in range(_ROUNDS):
        for setting, measured in found.items():
            load = Load(port, numbers, connections=setting.connections, per_webhook=setting.per_webhook)
            rate = await load.run(lasting(seconds))
            delays = sorted(load.delays)
            measured.append((rate, delays[len(delays) // 2] * 1000, delays[int(len(delays) * 0.99)] * 1000))
    return [_row(setting, measured) for setting, measured in found.items()]


def _row(setting: Setting, measured: list[tuple[float, float, float]]) -> Row:
    rate, p50, p99 = (statistics.median(column) for column in zip(*measured, strict=True))
    return Row(*setting, round(rate), round(p50, 1), round(p99, 1))


def main() -> None:
    """Measure, print a table and write the results."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with short_folder() as folder, postgres_server() as server, new_database(server) as database:
        env = {"ALERTHISTORY_INGEST_WEBHOOK": "store", "ALERTHISTORY_LOG_LEVEL": "warning"}
        suite = Suite(folder, form="services", database=database, env=env)
        with suite.running():
            rows = [asdict(row) for row in uvloop.run(_measure(suite.port, seconds))]
    sys.stdout.write("".join(f"{name:>20}" for name in rows[0]) + "\n")
    for row in rows:
        sys.stdout.write("".join(f"{value!s:>20}" for value in row.values()) + "\n")
    write("ingest", rows)


if __name__ == "__main__":
    main()
