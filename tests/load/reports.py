"""How long a report takes: ``python -m tests.load.reports [EVENTS…]``, by default of 100 k, 1 M and 10 M events.

Counts each log on PostgreSQL in blocks, then asks every report about the last seven days by gRPC, warm, the sizes in
turns. Prints the cost of counting, the medians and 99th percentiles, and writes them to
docs/performance/results/reports.json. A log is made and counted in a database that stays until the end: 10 M events
take about 20 GB and half an hour. An argument that is the URL of a filled database takes it as it is.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

from alerthistory.history.v1 import report_service_pb2 as pb
from alerthistory.history.v1.report_service_pb2_grpc import ReportServiceStub
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.database import open_database
from alerthistory_history.adapters.rollup_store import SqlRollupStore
from alerthistory_history.app import SCHEMA
from alerthistory_history.domain.rollups import fold_events
from tests.databases import new_database, postgres_server
from tests.integration.history.harness import ManualClock, migrate_store, running
from tests.load.dataset import fill
from tests.load.results import write

_SIZES = ("100000", "1000000", "10000000")
_ROUNDS = 100
_BLOCK = 5000

Ask = Callable[[ReportServiceStub], Awaitable[Any]]
_SHOP = pb.ReportFilter(namespace="team-00")
_REPORTS: dict[str, Ask] = {
    "top names": lambda stub: stub.ListTopAlerts(pb.ListTopAlertsRequest()),
    "top names of a namespace": lambda stub: stub.ListTopAlerts(pb.ListTopAlertsRequest(filter=_SHOP)),
    "top names by firing time": lambda stub: stub.ListTopAlerts(
        pb.ListTopAlertsRequest(order=pb.TOP_ORDER_FIRING_TIME)
    ),
    "top alerts": lambda stub: stub.ListTopAlerts(pb.ListTopAlertsRequest(grouping=pb.TOP_GROUPING_ALERT)),
    "flapping": lambda stub: stub.ListFlappingAlerts(pb.ListFlappingAlertsRequest()),
    "durations": lambda stub: stub.ListDurations(pb.ListDurationsRequest()),
    "noise": lambda stub: stub.ListNoise(pb.ListNoiseRequest()),
    "activity": lambda stub: stub.GetActivity(pb.GetActivityRequest()),
    "activity of a namespace": lambda stub: stub.GetActivity(pb.GetActivityRequest(filter=_SHOP)),
}


async def _count(url: URL) -> dict[str, Any]:
    """Count the log from its begin, and return what an event cost."""
    spent = {"read": 0.0, "fold": 0.0, "write": 0.0}
    events = 0
    async with open_database(url, schema=SCHEMA) as database:
        store = SqlRollupStore(database)
        while True:
            began = time.perf_counter()
            position = await store.position()
            found = await store.uncounted(position, limit=_BLOCK)
            if not found.events:
                break
            read = time.perf_counter()
            folded = fold_events(found)
            ready = time.perf_counter()
            await store.add(folded, since=position)
            for step, seconds in zip(spent, (read - began, ready - read, time.perf_counter() - ready), strict=True):
                spent[step] += seconds
            events += len(found.events)
    return {
        "events": events,
        **{f"{step}_us": round(seconds * 1e6 / max(1, events), 1) for step, seconds in spent.items()},
    }


@contextmanager
def _filled(argument: str, server: Callable[[], URL]) -> Iterator[URL]:
    if "://" in argument:
        yield make_url(argument).set(drivername="postgresql+psycopg")
        return
    with new_database(server()) as url:
        migrate_store(url)
        fill(url, events=int(argument))
        yield url


async def _ask_all(urls: Sequence[URL]) -> dict[tuple[str, int], list[float]]:
    """Return how long each report of each database took, in milliseconds."""
    taken: dict[tuple[str, int], list[float]] = {}
    async with AsyncExitStack() as stack:
        stubs = []
        for url in urls:
            replica = await stack.enter_async_context(running(url, _Now(), settle_interval_s=60))
            stubs.append(ReportServiceStub(replica.channel))
        for round_ in range(_ROUNDS + 3):
            for name, ask in _REPORTS.items():
                for number, stub in enumerate(stubs):
                    began = time.perf_counter()
                    await ask(stub)
                    if round_ >= 3:  # Before, caches fill.
                        taken.setdefault((name, number), []).append((time.perf_counter() - began) * 1000)
    return taken


class _Now(ManualClock):
    """The real time: the log ends now."""

    def now(self) -> Instant:
        return SystemClock().now()


def _events_in(url: URL) -> int:
    """Return about how many events the database at *url* holds, to two digits."""
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, options=f"-c search_path={SCHEMA}") as connection:
        row = connection.execute("SELECT count(*) FROM events").fetchone()
    return int(float(f"{row[0] if row else 0:.1e}"))


def main() -> None:
    """Measure what the arguments name."""
    sizes = sys.argv[1:] or _SIZES
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        servers: list[URL] = []

        def server() -> URL:
            if not servers:
                servers.append(stack.enter_context(postgres_server()))
            return servers[0]

        urls = []
        for size in sizes:
            urls.append(stack.enter_context(_filled(size, server)))
            counted = asyncio.run(_count(urls[-1]))
            if counted["events"]:
                rows.append({"what": "counting", "log": size, "block": _BLOCK, **counted})
                sys.stdout.write(f"{rows[-1]}\n")
        for (name, number), times in asyncio.run(_ask_all(urls)).items():
            times.sort()
            rows.append(
                {
                    "what": name,
                    "log": _events_in(urls[number]),
                    "p50_ms": round(statistics.median(times), 2),
                    "p99_ms": round(times[int(len(times) * 0.99) - 1], 2),
                }
            )
    for row in rows:
        sys.stdout.write("  ".join(f"{key}={value}" for key, value in row.items()) + "\n")
    write("reports", rows)


if __name__ == "__main__":
    main()
