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
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.fakes.inbox import Inbox, open_inbox
from tests.payloads import alert, webhook
from tests.processes import short_folder, until
from tests.suites import Suite

_SENDERS = 6
_ALERTS_PER_WEBHOOK = 3
_STANDSTILL_LIMIT_S = 60


@dataclass
class Outcome:
    """What the rounds saw; fingerprints of acknowledged alerts that are missing somewhere."""

    rounds: int = 0
    acknowledged: set[str] = field(default_factory=set)
    not_stored_once: set[str] = field(default_factory=set)
    not_fired_once: set[str] = field(default_factory=set)
    not_delivered: set[str] = field(default_factory=set)

    @property
    def lost(self) -> set[str]:
        """Every acknowledged alert with which something is wrong."""
        return self.not_stored_once | self.not_fired_once | self.not_delivered

    def __str__(self) -> str:
        return (
            f"rounds={self.rounds} acknowledged={len(self.acknowledged)} "
            f"not_stored_once={len(self.not_stored_once)} not_fired_once={len(self.not_fired_once)} "
            f"not_delivered={len(self.not_delivered)} lost={len(self.lost)}"
        )


class Sender(threading.Thread):
    """Posts webhooks of new alerts, one after another, and remembers what was acknowledged."""

    def __init__(self, url: str, prefix: str, stop: threading.Event) -> None:
        super().__init__()
        self.acknowledged: set[str] = set()
        self._url = url
        self._prefix = prefix
        self._must_stop = stop

    def run(self) -> None:
        """Post until told to stop."""
        number = 0
        with httpx.Client(timeout=5, trust_env=False, verify=False) as client:
            while not self._must_stop.is_set():
                names = [f"{self._prefix}-{number}-{index}" for index in range(_ALERTS_PER_WEBHOOK)]
                number += 1
                try:
                    answer = client.post(f"{self._url}/webhook", json=webhook(alert(name) for name in names))
                except httpx.TransportError:
                    self._must_stop.wait(0.02)
                    continue
                if answer.status_code == httpx.codes.OK:
                    self.acknowledged.update(names)


def run_rounds(rounds: int, *, seed: int, report: bool = False, env: Mapping[str, str] | None = None) -> Outcome:
    """Return what became of the alerts that were acknowledged in *rounds* lives of the process."""
    chance = random.Random(seed)
    outcome = Outcome(rounds=rounds)
    with short_folder() as folder, open_inbox() as inbox:
        targets = inbox.write_targets(folder / "targets.yaml")
        suite = Suite(folder, env={"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets), **(env or {})})
        suite.run("alerthistory", "migrate")
        for number in range(rounds):
            outcome.acknowledged |= _one_life(suite, f"r{number}", chance.uniform(0.02, 0.6))
            if report:
                sys.stderr.write(f"\rround {number + 1}/{rounds}, acknowledged {len(outcome.acknowledged)} ")
        with suite.running():
            compare(suite, inbox, outcome)
    return outcome


def _one_life(suite: Suite, prefix: str, life_s: float) -> set[str]:
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
    return set().union(*(sender.acknowledged for sender in senders))


def compare(suite: Suite, inbox: Inbox, outcome: Outcome) -> None:
    """Wait until nothing is left to do, then look at the store and at what was delivered."""
    left = _left(suite)
    while left:
        left = _wait_for_less(suite, left)
    stored = _counts(suite, "SELECT fingerprint, count(*) FROM occurrences GROUP BY fingerprint")
    fired = _counts(
        suite,
        "SELECT fingerprint, count(*) FROM events JOIN alerts USING (fp_hash) WHERE kind = 'fired' GROUP BY 1",
    )
    delivered = {each.fingerprint for each in inbox.delivered}
    outcome.not_stored_once = {each for each in outcome.acknowledged if stored.get(each) != 1}
    outcome.not_fired_once = {each for each in outcome.acknowledged if fired.get(each) != 1}
    outcome.not_delivered = outcome.acknowledged - delivered


def _wait_for_less(suite: Suite, left: int) -> int:
    until(lambda: _left(suite) < left, within_s=_STANDSTILL_LIMIT_S, saying=f"less than {left} steps are left to do")
    return _left(suite)


def _left(suite: Suite) -> int:
    """Return how many steps are left: two of an event that waits for the pipeline, one of a pending delivery."""
    work = _counts(suite, "SELECT 'work', count(*) FROM work")
    deliveries = _counts(suite, "SELECT state, count(*) FROM deliveries GROUP BY state", service="publisher")
    return 2 * work["work"] + deliveries.get("pending", 0)


def _counts(suite: Suite, query: str, *, service: str = "history") -> dict[str, int]:
    file = Path(suite.env["ALERTHISTORY_DATA_DIR"]) / f"{service}.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return dict(connection.execute(query).fetchall())


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
