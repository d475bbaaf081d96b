"""Stop PostgreSQL hard while alerts are posted, kill all programs meanwhile, and see what became of the acknowledged.

``python -m tests.chaos.outages [OUTAGES [SECONDS]]`` runs it alone. Its last line is
``acknowledged=… stored=… lost=…``; ``stored`` counts what is there exactly once and was delivered.
"""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.chaos.crashing_postgres import crashing_postgres
from tests.chaos.stores import wait_until_all_is_done, what_became_of
from tests.client_history import ALERTS_PER_WEBHOOK, Outcome, Sender
from tests.fakes.inbox import open_inbox
from tests.processes import short_folder
from tests.suites import Suite

_SENDERS = 4
ON_THEIR_WAY = _SENDERS * ALERTS_PER_WEBHOOK
"""How many alerts may be acknowledged late, because their answers were on their way when PostgreSQL crashed."""

_BEFORE_S = 1.0
# What is spooled faster takes longer to deliver afterwards than the outage was.
_PAUSE_S = 0.05
# For answers that were on their way when PostgreSQL crashed.
_ANSWERS_S = 0.3


@dataclass
class OutageOutcome(Outcome):
    """What outages did; ``in_outages`` counts alerts that were acknowledged while PostgreSQL was away."""

    in_outages: int = 0

    def __str__(self) -> str:
        return f"{super().__str__()} acknowledged_in_outages={self.in_outages}"


def run_outages(
    outages: int, *, seconds: float, seed: int, report: bool = False, env: Mapping[str, str] | None = None
) -> OutageOutcome:
    """Return what became of the alerts acknowledged before, in and after *outages*, each of which takes *seconds*."""
    chance = random.Random(seed)
    outcome = OutageOutcome(rounds=outages)
    with short_folder() as folder, open_inbox() as inbox, crashing_postgres() as postgres:
        targets = inbox.write_targets(folder / "targets.yaml")
        settings = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets), **(env or {})}
        suite = Suite(folder, database=postgres.url, env=settings)
        program = suite.start()
        for number in range(outages):
            with _posting(suite, f"o{number}", outcome) as acknowledged:
                time.sleep(_BEFORE_S)
                postgres.crash()
                time.sleep(_ANSWERS_S)
                before = acknowledged()
                time.sleep(chance.uniform(0.3, 0.7) * seconds)
                program.kill()
                program = suite.launch(migrate=False)
                time.sleep(seconds / 2)
                outcome.in_outages += acknowledged() - before
                postgres.start()
                time.sleep(_BEFORE_S)
            if report:
                sys.stderr.write(f"\routage {number + 1}/{outages}, acknowledged {len(outcome.acknowledged)} ")
        wait_until_all_is_done(postgres.url, outcome.acknowledged)
        what_became_of(postgres.url, inbox, outcome)
        program.stop()
    return outcome


@contextmanager
def _posting(suite: Suite, prefix: str, outcome: Outcome) -> Iterator[Callable[[], int]]:
    """Post alerts all the while; yields how to know the number of those acknowledged so far."""
    stop = threading.Event()
    senders = [Sender(suite.url, f"{prefix}-{index}", stop, pause_s=_PAUSE_S) for index in range(_SENDERS)]
    for sender in senders:
        sender.start()
    try:
        yield lambda: sum(len(sender.acknowledged) for sender in senders)
    finally:
        stop.set()
        for sender in senders:
            sender.join()
            outcome.add(sender)


def main() -> None:
    """Run as many outages as the first argument says; exit 1 when anything was lost, or nothing was acknowledged."""
    outages = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    seed = random.SystemRandom().randrange(2**32)
    sys.stderr.write(f"seed {seed}\n")
    outcome = run_outages(outages, seconds=seconds, seed=seed, report=True)
    stored = len(outcome.acknowledged) - len(outcome.lost)
    sys.stdout.write(
        f"\n{outcome}\nacknowledged={len(outcome.acknowledged)} stored={stored} lost={len(outcome.lost)}\n"
    )
    sys.exit(1 if outcome.lost or not outcome.acknowledged else 0)


if __name__ == "__main__":
    main()
