"""How fast an acknowledged alert is judged and delivered: ``python -m tests.load.pipeline [RATE] [SECONDS] [BURST]``.

Five processes over a PostgreSQL that syncs, one receiver that answers at once, and a generator that posts webhooks of
ten new alerts at a steady rate; then a burst as fast as it is acknowledged. All of them share the machine. Prints a
table and writes ``docs/performance/results/pipeline.json``.
"""

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import urlopen

import uvloop

from tests.databases import new_database, postgres_server
from tests.load.fast_receiver import ANSWER, Connection
from tests.load.posting import Load
from tests.load.results import write
from tests.processes import short_folder
from tests.suites import Suite

_PER_WEBHOOK = 10
_CONNECTIONS = 32
_DRAIN_LIMIT_S = 300.0
_STAGES = {"classifier": "alerthistory_classifier_verdicts_total", "publisher": "alerthistory_publisher_events_total"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured in one phase: rates per second while it lasted, delays in milliseconds, the rest in seconds."""

    phase: str
    alerts: int
    acknowledged_per_s: float
    classified_per_s: float
    delivered_per_s: float
    acknowledge_p50_ms: float
    acknowledge_p99_ms: float
    deliver_p50_ms: float
    deliver_p99_ms: float
    drain_s: float
    delivered_while_draining_per_s: float
    cpu_s: dict[str, float]


class Receiver(Connection):
    """One connection of a receiver that answers at once and notes when each alert came."""

    def __init__(self, arrivals: dict[int, float]) -> None:
        super().__init__()
        self._arrivals = arrivals

    def answer(self, method: bytes, body: bytes) -> bytes:
        """Note the alert."""
        self._note(body)
        return ANSWER

    def _note(self, body: bytes) -> None:
        found = body.index(b"f1f2f3f4") + 8
        self._arrivals.setdefault(int(body[found : found + 8], 16), time.perf_counter())


class Bench:
    """A running suite with a receiver, and what was posted to the one and came to the other."""

    def __init__(self, suite: Suite, pids: dict[int, str], database: str, arrivals: dict[int, float]) -> None:
        self._suite = suite
        self._database = database
        self._pids = pids
        self._arrivals = arrivals
        self._numbers = itertools.count()

    async def measure(self, phase: str, webhooks: int, *, interval_s: float) -> Row:
        """Return the Row of posting *webhooks*, and of what is delivered after that."""
        load = Load(
            self._suite.port,
            self._numbers,
            connections=_CONNECTIONS,
            per_webhook=_PER_WEBHOOK,
            interval_s=interval_s,
        )
        began, cpu, judged, came = (
            time.perf_counter(),
            self._cpu(),
            await self._count("classifier"),
            len(self._arrivals),
        )
        await load.run(iter(range(webhooks)))
        ended = time.perf_counter()
        judged, came = await self._count("classifier") - judged, len(self._arrivals) - came
        before = len(self._arrivals)
        await self._drained(load)
        done = time.perf_counter()
        span, drain = ended - began, max(0.0, max(map(self._arrivals.__getitem__, load.acknowledged)) - ended)
        delays = sorted(self._arrivals[number] - at for number, at in load.acknowledged.items())
        return Row(
            phase=phase,
            alerts=len(load.acknowledged),
            acknowledged_per_s=round(len(load.acknowledged) / span),
            classified_per_s=round(judged / span),
            delivered_per_s=round(came / span),
            acknowledge_p50_ms=_ms(statistics.median(load.delays)),
            acknowledge_p99_ms=_ms(_p99(sorted(load.delays))),
            deliver_p50_ms=_ms(statistics.median(delays)),
            deliver_p99_ms=_ms(_p99(delays)),
            drain_s=round(drain, 2),
            delivered_while_draining_per_s=round((len(self._arrivals) - before) / drain) if drain > 0.5 else 0,
            cpu_s={name: round(now - cpu[name], 1) for name, now in self._cpu().items()}
            | {"wall": round(done - began, 1)},
        )

    async def _drained(self, load: Load) -> None:
        async with asyncio.timeout(_DRAIN_LIMIT_S):
            while not self._arrivals.keys() >= load.acknowledged.keys():
                await asyncio.sleep(0.05)

    async def _count(self, service: str) -> float:
        """Return how many events *service* says that it has seen."""
        url = f"http://{self._suite.env[f'ALERTHISTORY_{service.upper()}_METRICS_LISTEN']}/metrics"
        with await asyncio.to_thread(urlopen, url) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(_STAGES[service]))

    def _cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that each process has used; PostgreSQL's are one."""
        used = dict.fromkeys(["load and receiver", *sorted(set(self._pids.values())), "postgres"], 0.0)
        used["load and receiver"] = time.process_time()
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            name = self._pids.get(int(pid)) or ("postgres" if _folder(pid) == self._database else "")
            if name:
                used[name] += _ticks(pid)
        return used


def _folder(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def _ticks(pid: str) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _p99(ordered: list[float]) -> float:
    return ordered[int(len(ordered) * 0.99)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


@asynccontextmanager
async def _receiver(port: int) -> AsyncIterator[dict[int, float]]:
    arrivals: dict[int, float] = {}
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(arrivals), "127.0.0.1", port)
    async with server:
        yield arrivals


@contextmanager
def _suite(port: int) -> Iterator[tuple[Suite, dict[int, str], str]]:
    """Yield five running processes over a PostgreSQL, their names by their ids, and where PostgreSQL runs."""
    with short_folder() as folder, postgres_server() as server, new_database(server) as database:
        targets = folder / "targets.yaml"
        targets.write_text(
            json.dumps({"targets": [{"name": "fast", "format": "webhook", "url": f"http://127.0.0.1:{port}/"}]})
        )
        env = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets), "ALERTHISTORY_LOG_LEVEL": "warning"}
        suite = Suite(folder, form="services", database=database, env=env)
        with suite.running() as program:
            children = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children").read_text().split()
            yield suite, {int(pid): _service(pid) for pid in children}, str(database.query.get("host", ""))


def _service(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"alerthistory-", 1)[-1].split(b"\0")[0].decode()


async def _measure(
    suite: Suite, pids: dict[int, str], database: str, port: int, load: tuple[float, float, int]
) -> list[Row]:
    rate, seconds, burst = load
    async with _receiver(port) as arrivals:
        bench = Bench(suite, pids, database, arrivals)
        interval_s = _PER_WEBHOOK / rate
        await bench.measure("warm-up", int(rate * 2 / _PER_WEBHOOK), interval_s=interval_s)
        rows = [await bench.measure(f"{rate:g}/s", int(rate * seconds / _PER_WEBHOOK), interval_s=interval_s)]
        if burst:
            rows.append(await bench.measure(f"burst of {burst}", burst // _PER_WEBHOOK, interval_s=0.0))
        return rows


def main() -> None:
    """Measure, print a table and write the results."""
    rate, seconds, burst = (float(each) for each in [*sys.argv[1:], *("1500", "20", "100000")[len(sys.argv) - 1 :]])
    port = 18_099
    with _suite(port) as (suite, pids, database):
        measured = uvloop.run(_measure(suite, pids, database, port, (rate, seconds, int(burst))))
    rows = [asdict(row) for row in measured]
    for name in rows[0]:
        sys.stdout.write(f"{name:32}" + "".join(f"{row[name]!s:>28}  " for row in rows) + "\n")
    write("pipeline", rows)


if __name__ == "__main__":
    main()
