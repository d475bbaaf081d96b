"""A replica of ingest stands still with work in its hands, another does the work, and then the first one wakes up.

``python -m tests.chaos.stalled_worker``. What the first one does late must change nothing. The last line is
``acknowledged=… waited_s=… taken_over=… delivered=… delivered_twice=… late=… lost=…``: how long the work lay until its
leases were over, and how many alerts the first one could no longer complete.
"""

import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import psycopg
from sqlalchemy import URL

from tests.chaos.stores import wait_until_all_is_done, what_became_of
from tests.client_history import Outcome
from tests.databases import new_database, postgres_server
from tests.fakes.inbox import Inbox, open_inbox
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.payloads import alert, webhook
from tests.processes import short_folder, until
from tests.replicas import Replica, Replicas

_ALERTS = 200
LEASE_S = 6
_TAKEOVER_LIMIT_S = 30.0
_AWAKE_LIMIT_S = 20.0


@dataclass
class StalledOutcome(Outcome):
    """What came of it."""

    waited_s: float = 0.0
    taken_over: int = 0
    delivered_twice: int = 0
    late: int = 0

    def __str__(self) -> str:
        return (
            f"acknowledged={len(self.acknowledged)} waited_s={self.waited_s:.1f} taken_over={self.taken_over} "
            f"delivered={len(self.acknowledged - self.not_delivered)} delivered_twice={self.delivered_twice} "
            f"late={self.late} lost={len(self.lost)}"
        )


def stall() -> StalledOutcome:
    """Return what became of alerts whose replica stood still for longer than their leases.

    Raises AssertionError when no other replica takes them over.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        inbox = stack.enter_context(open_inbox())
        database = stack.enter_context(new_database(stack.enter_context(postgres_server())))
        env = {
            "ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(inbox.write_targets(folder / "targets.yaml")),
            "ALERTHISTORY_HISTORY_LEASE_S": str(LEASE_S),
        }
        replicas = Replicas(folder, database, env=env)
        stalling = replicas.by_service["ingest"][0]
        proxy = stack.enter_context(fault_proxy(int(replicas.by_service["publisher"][0].grpc.rpartition(":")[2])))
        # The first replica alone is sent webhooks, and it alone finds the publisher silent.
        replicas.by_service["gateway"][0].env["ALERTHISTORY_GATEWAY_INGEST_TARGET"] = stalling.grpc
        stalling.env["ALERTHISTORY_INGEST_PUBLISHER_TARGET"] = f"127.0.0.1:{proxy.port}"
        stack.enter_context(replicas.running())
        return _stall(replicas, stalling, proxy, database, inbox)


def _stall(replicas: Replicas, stalling: Replica, proxy: FaultProxy, database: URL, inbox: Inbox) -> StalledOutcome:
    outcome = StalledOutcome()
    process, other = (each.program.process for each in replicas.by_service["ingest"] if each.program)
    proxy.hang()
    other.send_signal(signal.SIGSTOP)
    _post(replicas, [f"Stalled{number}" for number in range(_ALERTS)], outcome)
    until(lambda: _leased(database) == _ALERTS, saying="the replica has all the work")
    process.send_signal(signal.SIGSTOP)
    other.send_signal(signal.SIGCONT)
    began = time.monotonic()
    try:
        until(lambda: inbox.delivered, within_s=_TAKEOVER_LIMIT_S, saying="another replica takes the work over")
        outcome.waited_s = time.monotonic() - began
        until(
            lambda: {each.fingerprint for each in inbox.delivered} >= outcome.acknowledged,
            within_s=_TAKEOVER_LIMIT_S,
            saying="another replica does the work",
        )
    finally:
        proxy.heal()
        process.send_signal(signal.SIGCONT)
    _post(replicas, ["Awake"], outcome)
    until(lambda: inbox.of("Awake"), within_s=_AWAKE_LIMIT_S, saying="the replica works again")
    until(lambda: _late(stalling), within_s=_AWAKE_LIMIT_S, saying="it has seen that its leases are over")
    time.sleep(1)
    wait_until_all_is_done(database, outcome.acknowledged)
    what_became_of(database, inbox, outcome)
    outcome.taken_over = int(_sum(replicas.by_service["ingest"][1], "alerthistory_ingest_lease_takeovers_total"))
    outcome.late = _late(stalling)
    counts = Counter(each.fingerprint for each in inbox.delivered)
    outcome.delivered_twice = sum(count > 1 for count in counts.values())
    return outcome


def _post(replicas: Replicas, names: list[str], outcome: Outcome) -> None:
    url = f"http://127.0.0.1:{replicas.by_service['gateway'][0].http_port}/webhook"
    httpx.post(url, json=webhook(alert(name) for name in names), trust_env=False, timeout=15).raise_for_status()
    outcome.acknowledged.update(names)


def _leased(database: URL) -> int:
    libpq = database.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq) as connection:
        row = connection.execute("SELECT count(*) FROM history.work WHERE lease_owner IS NOT NULL").fetchone()
    return int(row[0]) if row else 0


def _late(replica: Replica) -> int:
    """Return how many events the replica could not complete: another has them, or its calls took too long."""
    outcomes = ("outdated", "lease_over", "released")
    return int(sum(_sum(replica, f'alerthistory_ingest_work_processed_total{{outcome="{each}"}}') for each in outcomes))


def _sum(replica: Replica, sample: str) -> float:
    text = httpx.get(replica.metrics, trust_env=False).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(sample))


def main() -> None:
    """Stall once; exit 1 when anything was lost or done twice."""
    outcome = stall()
    sys.stdout.write(f"{outcome}\n")
    sys.exit(1 if outcome.lost or outcome.delivered_twice else 0)


if __name__ == "__main__":
    main()
