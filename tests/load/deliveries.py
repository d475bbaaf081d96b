"""How fast publishers deliver what waits: ``python -m tests.load.deliveries [ROUNDS] [DELIVERIES]``.

One and three publishers in turn, over one PostgreSQL that syncs and one Redis, to one receiver that answers at once.
What waits is put into the store while the publishers stand still; the time runs from the first to the last arrival.
Everything shares the machine: CPU is in percent of one core. Prints the rounds, and writes the medians to
``docs/performance/results/deliveries.json``.
"""

import asyncio
import json
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
from sqlalchemy import URL

from alerthistory_common.alerts import Fingerprint, Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.database import open_database
from alerthistory_publisher.adapters.store import SqlDeliveryStore
from alerthistory_publisher.app import SCHEMA
from alerthistory_publisher.domain.deliveries import Order, Publication
from alerthistory_publisher.domain.outcomes import later
from tests.databases import new_database, postgres_server
from tests.events import event, verdict
from tests.load.results import write
from tests.processes import Program, free_ports, port_is_open, short_folder, until
from tests.publisher_processes import PublisherProcess, publishers
from tests.redis_server import running_redis

_MOST = 3
_BATCH = 1000
_TARGET = "fast"
_WARM_UP = 500
_DAY = timedelta(days=1)
_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One drain: deliveries per second, and of each part the percent of a core, and the µs of CPU for a delivery."""

    publishers: int
    per_s: float
    percent: dict[str, float]
    micros: dict[str, float]

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {each:.0f} % ({self.micros[name]:.0f} µs)" for name, each in self.percent.items())
        return f"{self.publishers} publishers: {self.per_s:7,.0f} deliveries/s; CPU {shares}"


class Bench:
    """Running publishers that stand still, and what they deliver when they are let."""

    def __init__(self, replicas: Sequence[PublisherProcess], database: URL, port: int, parts: dict[str, int]) -> None:
        self._replicas = replicas
        self._database = database
        self._url = f"http://127.0.0.1:{port}/"
        self._parts = parts
        self._count = 0

    def measure(self, count: int, deliveries: int) -> Round:
        """Return how fast *count* publishers make so many *deliveries*."""
        asyncio.run(self._fill(deliveries))
        self._arrivals("DELETE")
        before, began = self._cpu(), time.monotonic()
        for replica in self._replicas[:count]:
            _process(replica).send_signal(signal.SIGCONT)
        until(lambda: self._arrivals()["count"] >= deliveries, within_s=_LIMIT_S, saying="all is delivered")
        used, took = self._cpu(), time.monotonic() - began
        until(lambda: not self._replicas[0].pending(), within_s=_LIMIT_S, saying="all is recorded")
        for replica in self._replicas:
            _process(replica).send_signal(signal.SIGSTOP)
        arrivals = self._arrivals()
        return Round(
            publishers=count,
            per_s=(arrivals["count"] - 1) / (arrivals["last"] - arrivals["first"]),
            percent={name: 100 * (used[name] - before[name]) / took for name in used},
            micros={name: 1e6 * (used[name] - before[name]) / arrivals["count"] for name in used},
        )

    async def _fill(self, deliveries: int) -> None:
        async with open_database(self._database, schema=SCHEMA) as database:
            store = SqlDeliveryStore(database)
            for begin in range(0, deliveries, _BATCH):
                await store.order([self._order() for _ in range(min(_BATCH, deliveries - begin))])

    def _order(self) -> Order:
        """Return the delivery of another alert, with a verdict."""
        self._count += 1
        now = SystemClock().now()
        happened = event(
            labels={"alertname": "Load", "namespace": "shop", "severity": "warning", "pod": f"pod-{self._count}"},
            annotations={"summary": "Load is up to something"},
            event_id=f"load-{self._count}",
            fingerprint=Fingerprint(f"{self._count:016x}"),
            received_at=Instant(now.micros),
        )
        publication = Publication(event=happened, verdict=verdict())
        return Order(publication=publication, target=_TARGET, ordered_at=now, due_at=now, give_up_at=later(now, _DAY))

    def _arrivals(self, method: str = "GET") -> dict[str, float]:
        with urlopen(Request(self._url, method=method)) as answer:
            found: dict[str, float] = json.loads(answer.read())
        return found

    def _cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that each part has used; PostgreSQL's processes are one."""
        used = {"publishers": sum(_seconds(_process(each).pid) for each in self._replicas)}
        used |= {name: _seconds(pid) for name, pid in self._parts.items()}
        folder = str(self._database.query.get("host", ""))
        used["postgres"] = sum(_seconds(each.pid) for each in psutil.process_iter() if folder and _cwd(each) == folder)
        return used


def _process(replica: PublisherProcess) -> psutil.Process:
    assert replica.program is not None
    return psutil.Process(replica.program.process.pid)


def _seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _cwd(process: psutil.Process) -> str:
    try:
        return str(process.cwd())
    except psutil.Error:
        return ""


@contextmanager
def _receiver(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield the port and the process of a receiver."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.load.fast_receiver", str(port)]
    program = Program(*command, env={}, log=folder / "receiver.log")
    try:
        until(lambda: port_is_open(port), saying="the receiver listens")
        yield port, program.process.pid
    finally:
        program.kill()


def _measure(rounds: int, deliveries: int) -> list[Round]:
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        port, receiver = stack.enter_context(_receiver(folder))
        database = stack.enter_context(new_database(stack.enter_context(postgres_server())))
        redis = stack.enter_context(running_redis(folder / "redis"))
        target = {"name": _TARGET, "format": "webhook", "url": f"http://127.0.0.1:{port}/"}
        env = {"ALERTHISTORY_REDIS_URL": f"unix://{redis.socket}"}
        replicas = stack.enter_context(publishers(folder, [target], count=_MOST, database=database, env=env))
        for replica in replicas:
            replica.start()
        bench = Bench(replicas, database, port, {"receiver": receiver, "redis": redis.pid})
        bench.measure(_MOST, _WARM_UP)
        found = []
        for number in range(rounds):
            for count in (1, _MOST) if number % 2 else (_MOST, 1):
                found.append(bench.measure(count, deliveries))
                sys.stdout.write(f"{found[-1]}\n")
                sys.stdout.flush()
        for replica in replicas:
            _process(replica).send_signal(signal.SIGCONT)
        return found


def _medians(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(each[name] for each in found)) for name in found[0]}


def main() -> None:
    """Measure, print and write the results."""
    rounds, deliveries = (int(each) for each in [*sys.argv[1:], *("5", "5000")[len(sys.argv) - 1 :]])
    measured = _measure(rounds, deliveries)
    rows = []
    for count in (1, _MOST):
        of_it = [each for each in measured if each.publishers == count]
        middle = Round(
            publishers=count,
            per_s=statistics.median(each.per_s for each in of_it),
            percent=_medians([each.percent for each in of_it]),
            micros=_medians([each.micros for each in of_it]),
        )
        rows.append(
            {
                "publishers": count,
                "deliveries_per_s": round(middle.per_s),
                "cpu_percent": middle.percent,
                "cpu_us_per_delivery": middle.micros,
            }
        )
        sys.stdout.write(f"median {middle}\n")
    write("deliveries", rows)


if __name__ == "__main__":
    main()
