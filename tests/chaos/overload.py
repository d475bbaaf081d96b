"""Far more webhooks than can be stored, with PostgreSQL slowed down: ``python -m tests.chaos.overload [SECONDS]``.

First as many as one delayed database takes, then ten times as many webhooks per second, over more connections than the
gateway lets in at a time; meanwhile a real Alertmanager has alerts to tell, and a patient client, a process of its own,
measures how fast it is refused. Prints what was answered, how much memory the five processes took, and whether all that
was acknowledged, and all that Alertmanager was told, is stored afterwards. The last line is
``goodput_ratio=… refusal_p99_ms=… alertmanager_missing=… lost=…``.
"""

import asyncio
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import URL

from tests.databases import new_database, postgres_server
from tests.fakes.alertmanager import Alertmanager, alertmanager
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.load.posting import PLACE
from tests.payloads import alert, webhook
from tests.processes import short_folder
from tests.suites import Suite

_DELAY_S = 0.5
_PER_WEBHOOK = 2
_CAPACITY_CONNECTIONS = 64
_CONNECTIONS = 1200
_TIMES = 10
# The load would come from other machines: it takes no processor from who answers.
_NICE = 10
_DRAIN_LIMIT_S = 300.0
_MIB = 1024 * 1024
_PROBES = 4
_PROBE_INTERVAL_S = 0.05
_PROBED_FROM = 500_000_000
_TOLD = 200
_TOLD_NAME = "Told%d"


@dataclass
class Answers:
    """What webhooks were answered with; delays in seconds by status, acknowledged alerts by their numbers."""

    delays: dict[int, list[float]] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, status: int, delay_s: float, numbers: list[int]) -> None:
        """Remember one answer."""
        self.delays.setdefault(status, []).append(delay_s)
        if status == 200:
            self.acknowledged.update(numbers)

    def p99_ms(self, status: int) -> float:
        """Return the 99th percentile of the delays of answers with *status*; 0 when there is none."""
        delays = self.delays.get(status, [])
        return 1000 * (statistics.quantiles(delays, n=100)[98] if len(delays) > 1 else sum(delays))


async def _post(port: int, numbers: Iterator[int], answers: Answers, *, until_at: float, interval_s: float) -> None:
    """Post webhooks over one connection, and over a new one when it breaks, *interval_s* apart."""
    while time.perf_counter() < until_at:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while time.perf_counter() < until_at:
                    began = time.perf_counter()
                    some = list(itertools.islice(numbers, _PER_WEBHOOK))
                    writer.write(_request(some))
                    status = await _status(reader)
                    answers.add(status, time.perf_counter() - began, some)
                    await asyncio.sleep(max(0.0, interval_s - (time.perf_counter() - began)))
            finally:
                writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            answers.errors[type(error).__name__] += 1
            await asyncio.sleep(interval_s)


def _request(numbers: list[int]) -> bytes:
    body = webhook(alert("Overload", fingerprint=PLACE % number) for number in numbers)
    content = json.dumps(body).encode()
    return b"POST /webhook HTTP/1.1\r\nHost: load\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1])


async def _load(port: int, numbers: Iterator[int], seconds: float, *, connections: int, interval_s: float) -> Answers:
    answers, until_at = Answers(), time.perf_counter() + seconds
    async with asyncio.TaskGroup() as tasks:
        for number in range(connections):
            tasks.create_task(_post(port, numbers, answers, until_at=until_at, interval_s=interval_s))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
    return answers


def _probe(port: int, seconds: float) -> Answers:
    """Post a webhook now and then."""
    numbers = itertools.count(_PROBED_FROM)
    return asyncio.run(_load(port, numbers, seconds, connections=_PROBES, interval_s=_PROBE_INTERVAL_S))


async def _watch_memory(process: psutil.Process, found: list[float]) -> None:
    while True:
        processes = [process, *process.children(recursive=True)]
        found.append(sum(each.memory_info().rss for each in processes) / _MIB)
        await asyncio.sleep(1)


async def _stored(database: URL) -> set[str]:
    libpq = database.set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(libpq) as connection:
        rows = await connection.execute(
            "SELECT fingerprint FROM history.occurrences UNION SELECT alert_name FROM history.alerts"
        )
        return {fingerprint for (fingerprint,) in await rows.fetchall()}


async def _missing(database: URL, wanted: set[str]) -> tuple[set[str], float]:
    """Return which alerts are never stored, by fingerprint or name, and after how many seconds the others are."""
    began = time.perf_counter()
    while missing := wanted - await _stored(database):
        if time.perf_counter() - began > _DRAIN_LIMIT_S:
            break
        await asyncio.sleep(1)
    return missing, time.perf_counter() - began


def _tell_alertmanager(sender: Alertmanager, seconds: float) -> None:
    """Let Alertmanager have something to say all the while."""
    for number in range(_TOLD):
        sender.post({"alertname": _TOLD_NAME % number})
        time.sleep(seconds / _TOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an overload did. Rates in webhooks per second, memory in MiB once a second."""

    capacity: Answers
    flood: Answers
    probe: Answers
    after: Answers
    capacity_per_s: float
    good_per_s: float
    memory: list[float]
    lost: int
    unheard: int
    drained_s: float


async def _measure(suite: Suite, database: URL, proxy: FaultProxy, seconds: float) -> Seen:
    numbers = itertools.count()
    program = await asyncio.to_thread(suite.start)
    memory: list[float] = []
    watching = asyncio.create_task(_watch_memory(psutil.Process(program.process.pid), memory))
    try:
        proxy.delay(_DELAY_S)
        capacity = await _load(suite.port, numbers, seconds / 2, connections=_CAPACITY_CONNECTIONS, interval_s=0)
        capacity_per_s = len(capacity.acknowledged) / _PER_WEBHOOK / (seconds / 2)
        interval_s = _CONNECTIONS / max(1.0, _TIMES * capacity_per_s)
        with (
            alertmanager(suite.folder / "alertmanager", webhook=f"{suite.url}/webhook") as sender,
            ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as others,
        ):
            telling = asyncio.create_task(asyncio.to_thread(_tell_alertmanager, sender, seconds))
            probing = asyncio.get_running_loop().run_in_executor(others, _probe, suite.port, seconds)
            os.nice(_NICE)
            flood = await _load(suite.port, numbers, seconds, connections=_CONNECTIONS, interval_s=interval_s)
            probe = await probing
            await telling
            proxy.heal()
            after = await _load(suite.port, numbers, 2, connections=1, interval_s=0.1)
            acknowledged = set().union(*(each.acknowledged for each in (capacity, flood, probe, after)))
            told = {_TOLD_NAME % number for number in range(_TOLD)}
            missing, drained_s = await _missing(database, {PLACE % number for number in acknowledged} | told)
    finally:
        watching.cancel()
        await asyncio.to_thread(program.stop)
    return Seen(
        capacity=capacity,
        flood=flood,
        probe=probe,
        after=after,
        capacity_per_s=capacity_per_s,
        good_per_s=len(flood.acknowledged) / _PER_WEBHOOK / seconds,
        memory=memory,
        lost=len(missing - told),
        unheard=len(missing & told),
        drained_s=drained_s,
    )


def _report(seen: Seen) -> None:
    _tell("capacity", seen.capacity, f"{seen.capacity_per_s:.0f} webhooks/s taken")
    _tell(f"{_TIMES} times as many", seen.flood, f"{seen.good_per_s:.0f} webhooks/s taken")
    _tell("meanwhile", seen.probe, "a patient client")
    _tell("afterwards", seen.after, f"all stored {seen.drained_s:.0f} s later")
    curve = " ".join(f"{each:.0f}" for each in seen.memory[:: max(1, len(seen.memory) // 20)])
    sys.stdout.write(f"memory in MiB over time: {curve}; {max(seen.memory):.0f} at most\n")
    ratio = seen.good_per_s / seen.capacity_per_s if seen.capacity_per_s else 0.0
    sys.stdout.write(
        f"goodput_ratio={ratio:.2f} refusal_p99_ms={seen.probe.p99_ms(503):.0f} "
        f"alertmanager_missing={seen.unheard} lost={seen.lost}\n"
    )


def _tell(phase: str, answers: Answers, text: str) -> None:
    counts = ", ".join(
        f"{status}: {len(delays)} (p99 {answers.p99_ms(status):.0f} ms)" for status, delays in answers.delays.items()
    )
    errors = f", {dict(answers.errors)}" if answers.errors else ""
    sys.stdout.write(f"{phase}: {text}; {counts}{errors}\n")


async def _run(folder: Path, database: URL, seconds: float) -> Seen:
    socket = Path(str(database.query["host"])) / f".s.PGSQL.{database.port or 5432}"
    with fault_proxy(socket) as proxy:
        there = database.set(host="127.0.0.1", port=proxy.port).set(query={})
        suite = Suite(folder, form="services", database=there)
        await asyncio.to_thread(suite.run, "alerthistory", "migrate")
        return await _measure(suite, database, proxy, seconds)


def main() -> None:
    """Measure; exit 1 when something that was acknowledged is lost, refused wrongly, or never heard."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with short_folder() as folder, postgres_server() as server, new_database(server) as database:
        seen = asyncio.run(_run(folder, database, seconds))
    _report(seen)
    wrong = seen.flood.delays.keys() - {200, 503}
    sys.exit(1 if seen.lost or seen.unheard or wrong or not seen.flood.acknowledged else 0)


if __name__ == "__main__":
    main()
