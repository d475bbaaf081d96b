"""How fast alerts are stored, beside what could be: ``python -m tests.load.quick``, in less than 50 seconds.

Five processes over a PostgreSQL that syncs take webhooks of ten new alerts over 64 connections, acknowledged after
their commit. In the same rounds, on the same server: the naive design, the bare statements in a tight loop, and COPY.
Everything shares the machine, so trust the ratios. The last line is for programs.
"""

import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

import uvloop
from sqlalchemy import URL

from tests.databases import new_database, postgres_server
from tests.load import bare
from tests.load.posting import Load, lasting
from tests.load.results import write
from tests.payloads import ago
from tests.processes import Program, free_ports, port_is_open, short_folder, until
from tests.suites import Suite

_ROUNDS = 3
_SECONDS = 2.0
_CONNECTIONS = 64
_PER_WEBHOOK = 10
_COMMITS = 20
_KNOWN = 5_000


class Bench:
    """The contestants, ready to be measured in turn."""

    def __init__(self, suite_port: int, naive_port: int, capture: URL, target: URL) -> None:
        self._suite_port = suite_port
        self._naive_port = naive_port
        self._capture = capture
        self._target = target
        self._numbers = count()
        self._starts_at = ago(minutes=1)
        self.rates: dict[str, list[float]] = {}

    async def warm_up(self) -> None:
        """Let every process import and prepare what it needs, and make the alerts that are delivered again."""
        await bare.prepare(self._capture)
        await bare.prepare(self._target)
        await self._load(self._suite_port, iter(range(_KNOWN))).run(iter(range(_KNOWN // _PER_WEBHOOK)))
        self._numbers = count(_KNOWN)
        await self._load(self._naive_port, self._numbers).run(lasting(0.3))

    async def round(self) -> None:
        """Measure each once."""
        self._note("ours", await self._load(self._suite_port, self._numbers).run(lasting(_SECONDS)))
        self._note("re-deliveries", await self._load(self._suite_port, cycle(range(_KNOWN))).run(lasting(_SECONDS)))
        self._note("naive", await self._load(self._naive_port, self._numbers).run(lasting(_SECONDS)))
        commits = await bare.commits(self._capture, self._numbers, _COMMITS)
        self._note("bare statements", bare.run(self._target, commits))
        self._note("COPY", bare.copy(self._target, commits))

    def _load(self, port: int, numbers: Iterator[int]) -> Load:
        return Load(port, numbers, connections=_CONNECTIONS, per_webhook=_PER_WEBHOOK, starts_at=self._starts_at)

    def _note(self, name: str, rate: float) -> None:
        self.rates.setdefault(name, []).append(rate)
        sys.stdout.write(f"{name:16} {rate:10,.0f} alerts/s\n")
        sys.stdout.flush()


async def _measure(bench: Bench) -> None:
    await bench.warm_up()
    for _ in range(_ROUNDS):
        await bench.round()


@contextmanager
def _naive(folder: Path, database: URL) -> Iterator[int]:
    (port,) = free_ports(1)
    url = database.render_as_string(hide_password=False)
    program = Program(sys.executable, "-m", "tests.load.naive", str(port), url, env={}, log=folder / "naive.log")
    try:
        until(lambda: port_is_open(port), saying="the naive design listens")
        yield port
    finally:
        program.kill()


def main() -> None:
    """Measure in rounds, and print the medians and the line for programs."""
    with (
        short_folder() as folder,
        postgres_server() as server,
        new_database(server) as ours,
        new_database(server) as naive,
        new_database(server) as capture,
        new_database(server) as target,
        _naive(folder, naive) as naive_port,
    ):
        env = {"ALERTHISTORY_INGEST_WEBHOOK": "store", "ALERTHISTORY_LOG_LEVEL": "warning"}
        suite = Suite(folder, form="services", database=ours, env=env)
        with suite.running():
            bench = Bench(suite.port, naive_port, capture, target)
            uvloop.run(_measure(bench))
    medians = {name: statistics.median(rates) for name, rates in bench.rates.items()}
    sys.stdout.write("\nmedians\n")
    for name, rate in medians.items():
        sys.stdout.write(f"{name:16} {rate:10,.0f} alerts/s   ours is {medians['ours'] / rate:6.2f} of it\n")
    write("comparison", [{"what": name, "alerts_per_s": round(rate)} for name, rate in medians.items()])
    ratios = (medians["ours"] / medians[name] for name in ("naive", "bare statements"))
    sys.stdout.write("alerts_per_s={:.0f} naive_ratio={:.2f} bare_ratio={:.2f}\n".format(medians["ours"], *ratios))


if __name__ == "__main__":
    main()
