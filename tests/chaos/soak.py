"""Ten minutes of load that leaks if anything does: ``python -m tests.chaos.soak [SECONDS]``.

Alerts whose labels never come twice, clients that leave in the middle of what they say, calls that are given up,
streams that are opened and dropped. Prints of each process, over the last two thirds, how its memory grew in MiB per
minute, and how many descriptors and tasks it had at the begin and at the end of them. The last line is
``acknowledged=… cancelled=… growth_mib_per_minute=… descriptors=… tasks=… lost=…``: the largest growth of each kind.
"""

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from statistics import linear_regression, median
from typing import Any

import grpc
import httpx

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1.history_service_pb2_grpc import HistoryServiceStub
from tests.chaos.stores import wait_until_all_is_done, what_became_of
from tests.client_history import Outcome
from tests.databases import new_database, postgres_server
from tests.fakes.inbox import open_inbox
from tests.payloads import alert, webhook
from tests.processes import short_folder
from tests.replicas import Replica, Replicas

_SECONDS = 600.0
_WARM_UP = 1 / 3
_SAMPLE_S = 2.0
_INTERVAL_S = 0.1
_PER_WEBHOOK = 5
_MIB = 1024 * 1024
MOST_MIB_PER_MINUTE = 1.0
MOST_DESCRIPTORS = 20
MOST_TASKS = 20


@dataclass
class SoakOutcome(Outcome):
    """What clients did, and what the processes took, once in a while: seconds, and samples by process and kind."""

    cancelled: int = 0
    samples: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)

    def growth(self, kind: str, name: str) -> float:
        """Return by how much *kind* grew per minute in the process *name*, after its warm-up."""
        times, values = zip(*self._late(kind, name), strict=True)
        return 60 * linear_regression(times, values).slope

    def ends(self, kind: str, name: str) -> tuple[float, float]:
        """Return the medians of the first and of the last fifth of the samples after the warm-up."""
        values = [value for _, value in self._late(kind, name)]
        few = max(1, len(values) // 5)
        return median(values[:few]), median(values[-few:])

    def most(self, kind: str) -> float:
        """Return the largest difference between end and begin of any process."""
        ends = [self.ends(kind, name) for name, of in self.samples if of == kind]
        return max(end - begin for begin, end in ends)

    @property
    def most_mib(self) -> float:
        """The largest growth of memory of any process, in MiB per minute."""
        return max(self.growth("memory", name) for name, kind in self.samples if kind == "memory")

    def _late(self, kind: str, name: str) -> list[tuple[float, float]]:
        samples = self.samples[name, kind]
        return samples[int(_WARM_UP * len(samples)) :]


def soak(seconds: float = _SECONDS, *, report: bool = False) -> SoakOutcome:
    """Return what *seconds* of load did."""
    outcome = SoakOutcome()
    with (
        short_folder() as folder,
        open_inbox() as inbox,
        postgres_server() as server,
        new_database(server) as database,
    ):
        env = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(inbox.write_targets(folder / "targets.yaml"))}
        replicas = Replicas(folder, database, count=1, env=env)
        with replicas.running():
            asyncio.run(_load(replicas, outcome, seconds, report=report))
            wait_until_all_is_done(database, outcome.acknowledged)
            what_became_of(database, inbox, outcome)
    return outcome


async def _load(replicas: Replicas, outcome: SoakOutcome, seconds: float, *, report: bool) -> None:
    port = replicas.by_service["gateway"][0].http_port
    numbers = itertools.count()
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=15) as client,
        grpc.aio.insecure_channel(replicas.by_service["history"][0].grpc) as channel,
    ):
        stub = HistoryServiceStub(channel)
        acts: list[Callable[[], Coroutine[Any, Any, None]]] = [
            lambda: _post(client, numbers, outcome),
            lambda: _read(client),
            lambda: _leave_while_posting(port, outcome),
            lambda: _give_up_a_call(stub, outcome),
            lambda: _drop_a_tail(stub, outcome),
        ]
        async with _sampling(replicas, outcome):
            tasks = [asyncio.create_task(_again_and_again(act)) for act in acts]
            for second in range(int(seconds)):
                await asyncio.sleep(1)
                if report:
                    sys.stderr.write(f"\r{second + 1}/{seconds:.0f} s, acknowledged {len(outcome.acknowledged)} ")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _again_and_again(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        await act()
        await asyncio.sleep(_INTERVAL_S)


async def _post(client: httpx.AsyncClient, numbers: Iterator[int], outcome: SoakOutcome) -> None:
    names = [f"Unique{number}" for number in itertools.islice(numbers, _PER_WEBHOOK)]
    body = webhook(alert("Soaked", fingerprint=name, **{f"label_of_{name}": name}) for name in names)
    (await client.post("/webhook", json=body)).raise_for_status()
    outcome.acknowledged.update(names)


async def _read(client: httpx.AsyncClient) -> None:
    for path in ("/history?limit=20", "/report", "/metrics"):
        (await client.get(path)).raise_for_status()


async def _leave_while_posting(port: int, outcome: SoakOutcome) -> None:
    """Announce a body, send a part of it, and break the connection."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /webhook HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\n" + b'{"alerts":[' + bytes(5000)
    )
    await writer.drain()
    writer.transport.abort()
    outcome.cancelled += 1


async def _give_up_a_call(stub: HistoryServiceStub, outcome: SoakOutcome) -> None:
    """Ask for more than can be answered in the time, and leave."""
    call = stub.ListEvents(pb.ListEventsRequest(page_size=1000), timeout=10)
    await asyncio.sleep(0.002)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError, grpc.RpcError):
        await call
    outcome.cancelled += 1


async def _drop_a_tail(stub: HistoryServiceStub, outcome: SoakOutcome) -> None:
    """Follow events for a moment."""
    tail = stub.TailEvents(pb.TailEventsRequest(backlog=10))
    with contextlib.suppress(grpc.RpcError, TimeoutError):
        async with asyncio.timeout(0.2):
            await tail.read()
    tail.cancel()
    outcome.cancelled += 1


@contextlib.asynccontextmanager
async def _sampling(replicas: Replicas, outcome: SoakOutcome) -> AsyncIterator[None]:
    task = asyncio.create_task(_sample(replicas, outcome))
    try:
        yield
    finally:
        task.cancel()


async def _sample(replicas: Replicas, outcome: SoakOutcome) -> None:
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        while True:
            for replica in replicas.all:
                for kind, value in (await _look(client, replica)).items():
                    outcome.samples.setdefault((replica.service, kind), []).append((time.monotonic() - began, value))
            await asyncio.sleep(_SAMPLE_S)


async def _look(client: httpx.AsyncClient, replica: Replica) -> dict[str, float]:
    lines = (await client.get(replica.metrics)).text.splitlines()
    values = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in lines if not line.startswith("#")}
    return {
        "memory": float(values["process_resident_memory_bytes"]) / _MIB,
        "descriptors": float(values["process_open_fds"]),
        "tasks": float(values["alerthistory_asyncio_tasks"]),
    }


def _report(outcome: SoakOutcome) -> None:
    for name, kind in outcome.samples:
        begin, end = outcome.ends(kind, name)
        growth = f", {outcome.growth(kind, name):+.2f} MiB per minute" if kind == "memory" else ""
        sys.stdout.write(f"{name:<12} {kind:<12} {begin:6.0f} → {end:6.0f}{growth}\n")
    sys.stdout.write(
        f"acknowledged={len(outcome.acknowledged)} cancelled={outcome.cancelled} "
        f"growth_mib_per_minute={outcome.most_mib:.2f} descriptors={outcome.most('descriptors'):.0f} "
        f"tasks={outcome.most('tasks'):.0f} lost={len(outcome.lost)}\n"
    )


def main() -> None:
    """Soak; exit 1 when something grew, or was lost."""
    outcome = soak(float(sys.argv[1]) if len(sys.argv) > 1 else _SECONDS, report=True)
    sys.stderr.write("\n")
    _report(outcome)
    has_grown = (
        outcome.most_mib > MOST_MIB_PER_MINUTE
        or outcome.most("descriptors") > MOST_DESCRIPTORS
        or outcome.most("tasks") > MOST_TASKS
    )
    sys.exit(1 if has_grown or outcome.lost or not outcome.acknowledged else 0)


if __name__ == "__main__":
    main()
