"""Kill the process at random moments while alerts are posted, and see what became of the acknowledged ones.

``python -m tests.e2e.kill_rounds 200`` runs it alone and prints what it saw.
"""

import random
import sqlite3
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.client_history import STATUS_OF, Found, Outcome, Sender
from tests.fakes.inbox import Inbox, open_inbox
from tests.processes import short_folder, until
from tests.suites import Suite

_SENDERS = 6
_STANDSTILL_LIMIT_S = 60


def run_rounds(rounds: int, *, seed: int, report: bool = False, env: Mapping[str, str] | None = None) -> Outcome:
    """Return what became of the alerts that were acknowledged in *rounds* lives of the process."""
    chance = random.Random(seed)
    outcome = Outcome(rounds=rounds)
    with short_folder() as folder, open_inbox() as inbox:
        targets = inbox.write_targets(folder / "targets.yaml")
        suite = Suite(folder, env={"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets), **(env or {})})
        suite.run("alerthistory", "migrate")
        for number in range(rounds):
            _one_life(suite, f"r{number}", chance.uniform(0.02, 0.6), outcome)
            if report:
                sys.stderr.write(f"\rround {number + 1}/{rounds}, acknowledged {len(outcome.acknowledged)} ")
        with suite.running():
            compare(suite, inbox, outcome)
    return outcome


def _one_life(suite: Suite, prefix: str, life_s: float, outcome: Outcome) -> None:
    stop = threading.Event()
    senders = [Sender(suite.url, f"{prefix}-{index}", stop) for index in range(_SENDERS)]
    for sender in senders:
        sender.start()
    program = suite.start(migrate=False)
    time.sleep(life_s)
    program.kill()
    stop.set()
    for sender in senders:
        sender.join()
        outcome.add(sender)


def compare(suite: Suite, inbox: Inbox, outcome: Outcome) -> None:
    """Wait until nothing is left to do, then judge by the store and by what was delivered."""
    left = _left(suite)
    while left:
        left = _wait_for_less(suite, left)
    dead = _rows(suite, "SELECT fingerprint, kind FROM deliveries WHERE state = 'dead'", service="publisher")
    outcome.judge(
        Found(
            stored=_counts(suite, "SELECT fingerprint, count(*) FROM occurrences GROUP BY fingerprint"),
            fired=_events(suite, "fired"),
            resolved=_events(suite, "resolved"),
            delivered=inbox.delivered,
            dead=[(fingerprint, STATUS_OF[kind]) for fingerprint, kind in dead],
        )
    )


def _events(suite: Suite, kind: str) -> dict[str, int]:
    return _counts(
        suite,
        f"SELECT fingerprint, count(*) FROM events JOIN alerts USING (fp_hash) WHERE kind = '{kind}' GROUP BY 1",
    )


def _wait_for_less(suite: Suite, left: int) -> int:
    until(lambda: _left(suite) < left, within_s=_STANDSTILL_LIMIT_S, saying=f"less than {left} steps are left to do")
    return _left(suite)


def _left(suite: Suite) -> int:
    """Return how many steps are left: two of an event that waits for the pipeline, one of a pending delivery."""
    work = _counts(suite, "SELECT 'work', count(*) FROM work")
    deliveries = _counts(suite, "SELECT state, count(*) FROM deliveries GROUP BY state", service="publisher")
    return 2 * work["work"] + deliveries.get("pending", 0)


def _counts(suite: Suite, query: str, *, service: str = "history") -> dict[str, int]:
    return dict(_rows(suite, query, service=service))


def _rows(suite: Suite, query: str, *, service: str) -> list[tuple[Any, ...]]:
    file = Path(suite.env["ALERTHISTORY_DATA_DIR"]) / f"{service}.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(query).fetchall()


def main() -> None:
    """Run as many rounds as the first argument says; exit 1 when anything was lost."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    sys.stderr.write(f"seed {seed}\n")
    outcome = run_rounds(rounds, seed=seed, report=True)
    sys.stdout.write(f"\n{outcome}\n")
    sys.exit(1 if outcome.lost else 0)


if __name__ == "__main__":
    main()
