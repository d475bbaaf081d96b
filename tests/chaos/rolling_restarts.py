"""Two replicas of everything, restarted one after another under steady traffic: nobody may notice.

``python -m tests.chaos.rolling_restarts [ROUNDS]``. Clients post and read over HTTP through a balancer, ask history
over gRPC, and follow its events; they try nothing again by themselves. Traces go to a collector that hangs. The last
line is
``rounds=… restarts=… requests=… errors=… acknowledged=… lost=…``.
"""

import asyncio
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from grpc_health.v1 import health_pb2
from sqlalchemy import URL

from alerthistory_client.addresses import Addresses
from alerthistory_client.client import Client, open_client
from alerthistory_common.errors import AlertHistoryError
from tests.balancer import Balancer, balancing
from tests.chaos.stores import wait_until_all_is_done, what_became_of
from tests.client_history import Outcome
from tests.databases import new_database, postgres_server
from tests.fakes.inbox import Inbox, open_inbox
from tests.fault_proxy import fault_proxy
from tests.payloads import alert, webhook
from tests.processes import free_ports, short_folder, until
from tests.replicas import Replica, Replicas

_DELAY_S = 1.0
_GRACE_S = 5.0
# What terminationGracePeriodSeconds has to be longer than.
_EXIT_LIMIT_S = _DELAY_S + 2 * _GRACE_S
# What Kubernetes takes until no new connections come to a pod that is told to end.
_PROPAGATION_S = 0.4
# As minReadySeconds: how long after one replica came the next one leaves.
_READY_S = 2.0
_INTERVAL_S = 0.02
# For alerts that went to a spool in the end.
_TAIL_LIMIT_S = 60.0


@dataclass
class Traffic:
    """What clients did and saw."""

    requests: int = 0
    errors: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    tailed: Counter[str] = field(default_factory=Counter)
    logged: list[str] = field(default_factory=list)

    def failed(self, what: str, error: object) -> None:
        """Remember that a client saw a failure."""
        self.errors.append(f"{what}: {error}")


@dataclass
class RestartOutcome(Outcome):
    """What rolling restarts did."""

    restarts: int = 0
    traffic: Traffic = field(default_factory=Traffic)

    def __str__(self) -> str:
        return (
            f"rounds={self.rounds} restarts={self.restarts} requests={self.traffic.requests} "
            f"errors={len(self.traffic.errors)} acknowledged={len(self.acknowledged)} lost={len(self.lost)}"
        )


def run_rounds(rounds: int, *, number: int = signal.SIGTERM, report: bool = False) -> RestartOutcome:
    """Return what clients saw while every replica was ended by signal *number* and started again, *rounds* times."""
    outcome = RestartOutcome(rounds=rounds)
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        inbox = stack.enter_context(open_inbox())
        database = stack.enter_context(new_database(stack.enter_context(postgres_server())))
        replicas = Replicas(folder, database, env=_settings(stack, inbox, folder))
        stack.enter_context(replicas.running())
        balancer = stack.enter_context(balancing([each.http_port for each in replicas.by_service["gateway"]]))
        with _clients(balancer, replicas, outcome.traffic):
            for round_ in range(rounds):
                _restart_all(replicas, balancer, number)
                outcome.restarts += len(replicas.all)
                if report:
                    seen = outcome.traffic
                    sys.stderr.write(
                        f"\rround {round_ + 1}/{rounds}, {seen.requests} requests, {len(seen.errors)} errors "
                    )
        outcome.acknowledged = outcome.traffic.acknowledged
        _compare(database, inbox, outcome)
        if outcome.traffic.errors:
            outcome.traffic.logged = [
                f"{log.stem}: {line.rstrip()}"
                for log in folder.glob("*.log")
                for line in log.open()
                if "[error" in line and "export traces" not in line
            ]
    return outcome


def _settings(stack: ExitStack, inbox: Inbox, folder: Path) -> dict[str, str]:
    collector = stack.enter_context(fault_proxy(free_ports(1)[0]))
    collector.hang()
    return {
        "ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(inbox.write_targets(folder / "targets.yaml")),
        "ALERTHISTORY_DRAIN_DELAY_S": str(_DELAY_S),
        "ALERTHISTORY_DRAIN_GRACE_S": str(_GRACE_S),
        "ALERTHISTORY_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
    }


def _restart_all(replicas: Replicas, balancer: Balancer, number: int) -> None:
    """Restart the replicas of all services at once, and those of one service one after another."""

    def roll(service: str) -> None:
        for replica in replicas.by_service[service]:
            _restart(replica, balancer, number)

    with ThreadPoolExecutor() as threads:
        list(threads.map(roll, replicas.by_service))


def _restart(replica: Replica, balancer: Balancer, number: int) -> None:
    """End *replica* as Kubernetes does, and start it again."""
    program, began = replica.program, time.monotonic()
    assert program is not None
    leaving = threading.Timer(_PROPAGATION_S, balancer.remove, [_http_port(replica)])
    leaving.start()
    program.process.send_signal(number)
    if number == signal.SIGTERM:
        until(
            lambda: replica.health() == health_pb2.HealthCheckResponse.NOT_SERVING,
            within_s=_DELAY_S,
            saying=f"{replica.name} says that it leaves before it does",
        )
    code = program.process.wait(30)
    if number == signal.SIGTERM:
        assert code == 0, f"{replica.name} exited with {code}:\n{replica.log.read_text()[-2000:]}"
        assert time.monotonic() - began < _EXIT_LIMIT_S, f"{replica.name} took {time.monotonic() - began:.1f} s to end"
    leaving.join()
    replica.launch()
    replica.wait_until_ready()
    if port := _http_port(replica):
        balancer.add(port)
    time.sleep(_READY_S)


def _http_port(replica: Replica) -> int:
    return replica.http_port if replica.service == "gateway" else 0


@contextmanager
def _clients(balancer: Balancer, replicas: Replicas, traffic: Traffic) -> Iterator[None]:
    """Let clients post, read, ask and follow in the background."""
    stop = threading.Event()
    url = f"http://127.0.0.1:{balancer.port}"
    addresses = Addresses(
        **{service: replicas.target(service) for service in ("ingest", "history", "classifier", "publisher")}
    )
    posting = [
        *(threading.Thread(target=_post, args=(url, f"p{index}", traffic, stop)) for index in range(2)),
        threading.Thread(target=_read, args=(url, traffic, stop)),
    ]
    # Ends after the others: what they posted last is tailed, too.
    all_is_posted = threading.Event()
    asking = threading.Thread(target=lambda: asyncio.run(_ask(addresses, traffic, all_is_posted)))
    for thread in (*posting, asking):
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in posting:
            thread.join()
        all_is_posted.set()
        asking.join()


def _post(url: str, prefix: str, traffic: Traffic, stop: threading.Event) -> None:
    number = 0

    def once(client: httpx.Client) -> None:
        nonlocal number
        number += 1
        names = [f"{prefix}-{number}-{index}" for index in range(3)]
        client.post("/webhook", json=webhook(alert(name) for name in names)).raise_for_status()
        traffic.acknowledged.update(names)

    _again_and_again(url, "POST /webhook", once, traffic, stop)


def _read(url: str, traffic: Traffic, stop: threading.Event) -> None:
    paths = iter(("/history?limit=5", "/report", "/enrichment/mode", "/publishing/targets") * 1_000_000)

    def once(client: httpx.Client) -> None:
        client.get(next(paths)).raise_for_status()

    _again_and_again(url, "GET", once, traffic, stop)


def _again_and_again(
    url: str, what: str, once: Callable[[httpx.Client], None], traffic: Traffic, stop: threading.Event
) -> None:
    with httpx.Client(base_url=url, timeout=15, trust_env=False, verify=False) as client:
        while not stop.wait(_INTERVAL_S):
            traffic.requests += 1
            try:
                once(client)
            except httpx.HTTPError as error:
                traffic.failed(what, repr(error))


async def _ask(addresses: Addresses, traffic: Traffic, stop: threading.Event) -> None:
    async with open_client(addresses) as client, asyncio.TaskGroup() as tasks:
        following = tasks.create_task(_follow(client, traffic))
        while not stop.is_set():
            await asyncio.sleep(_INTERVAL_S)
            traffic.requests += 1
            try:
                _ = [each async for each in client.list_alerts(limit=5)]
            except AlertHistoryError as error:
                traffic.failed("ListAlerts", repr(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(_TAIL_LIMIT_S):
                while traffic.acknowledged - traffic.tailed.keys():
                    await asyncio.sleep(0.1)
        following.cancel()


async def _follow(client: Client, traffic: Traffic) -> None:
    try:
        # With what was posted before the tail began.
        async for event in client.tail(backlog=1000):
            traffic.tailed[event.fingerprint] += 1
    except AlertHistoryError as error:
        traffic.failed("tail", repr(error))


def _compare(database: URL, inbox: Inbox, outcome: RestartOutcome) -> None:
    wait_until_all_is_done(database, outcome.acknowledged)
    what_became_of(database, inbox, outcome)
    tailed = outcome.traffic.tailed
    wrong = {name for name in outcome.acknowledged if tailed[name] != 1}
    if wrong:
        what = {name: tailed[name] for name in wrong}
        outcome.traffic.failed("tail", f"{what} events missed or repeated; {_stored(database, wrong)}")


def _stored(database: URL, names: set[str]) -> list[tuple[Any, ...]]:
    """Return where the events of some alerts stand among all, and when they were decided and received."""
    libpq = database.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq) as connection:
        found = connection.execute(
            "SELECT a.fingerprint, e.kind, e.txid, e.seq, e.occurred_us, e.received_us,"
            " (SELECT max(txid) FROM history.events) FROM history.events e JOIN history.alerts a USING (fp_hash)"
            " WHERE a.fingerprint = ANY(%s) ORDER BY e.seq LIMIT 12",
            [sorted(names)],
        )
        return found.fetchall()


def main() -> None:
    """Run as many rounds as the first argument says; exit 1 when a client noticed or anything was lost."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    outcome = run_rounds(rounds, report=True)
    for error in (*outcome.traffic.errors[:20], *outcome.traffic.logged[:20]):
        sys.stderr.write(f"\n{error}")
    sys.stdout.write(f"\n{outcome}\n")
    sys.exit(1 if outcome.lost or outcome.traffic.errors or not outcome.acknowledged else 0)


if __name__ == "__main__":
    main()
