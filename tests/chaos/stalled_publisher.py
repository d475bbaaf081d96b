"""A publisher stands still with deliveries in its hands, another makes them, and then the first one wakes up.

``python -m tests.chaos.stalled_publisher``. Half of what the first one sent was taken and half was not; nothing was
answered. The other tells again what began, with the same keys, and then that it ended: what the first one records after
that must change nothing, or ended alerts would be told once more. The last line is ``deliveries=… waited_s=…
sent_twice=… sent_more=… fenced=… problems=…``.
"""

import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import URL

from alerthistory_common.alerts import AlertEvent
from tests.chaos.provider_check import History, Run, changes_of, problems_of
from tests.databases import new_database, postgres_server
from tests.fakes import pagerduty
from tests.fakes.pagerduty import PagerDuty
from tests.fakes.provider import Faults, ProviderServer, serving
from tests.processes import short_folder, until
from tests.publisher_processes import PublisherProcess, publishers

IN_HANDS = 8
_NAME = "pagerduty"
_TIMEOUT_S = 2.0
_LIMIT_S = 90.0
_FENCED = "alerthistory_publisher_fenced_results_total"


@dataclass(kw_only=True)
class StalledPublisherOutcome:
    """What came of it: how long the work lay until leases were over, how often what was sent, and what was refused."""

    deliveries: int = 0
    waited_s: float = 0.0
    sent_twice: int = 0
    sent_more: int = 0
    fenced: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"deliveries={self.deliveries} waited_s={self.waited_s:.1f} sent_twice={self.sent_twice} "
            f"sent_more={self.sent_more} fenced={self.fenced} problems={len(self.problems)}"
        )


def stall(database: URL, *, variant: str = "") -> StalledPublisherOutcome:
    """Return what came of deliveries whose publisher stood still for longer than their leases.

    Raises AssertionError when no other takes them over.
    """
    unanswered = Faults(seed=1, silent=0.5, late=0.5)
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        pages = stack.enter_context(serving(PagerDuty(limit=1000), faults=unanswered))
        target = {
            "name": _NAME,
            "format": "pagerduty",
            "url": pages.url + pagerduty.PATH,
            "routing_key": pagerduty.ROUTING_KEY,
            "timeout_s": _TIMEOUT_S,
        }
        first, second = stack.enter_context(publishers(folder, [target], count=2, database=database, variant=variant))
        first.start()
        return _stall(first, second, pages)


def _stall(first: PublisherProcess, second: PublisherProcess, pages: ProviderServer) -> StalledPublisherOutcome:
    assert first.program is not None
    stalling = first.program.process
    ended = {f"Proof{number:04}": changes_of(f"Proof{number:04}", 2) for number in range(IN_HANDS)}
    for number in range(2):
        first.publish([changes[number] for changes in ended.values()])
    until(lambda: len(pages.received) >= IN_HANDS, saying="the publisher has sent what begins")
    stalling.send_signal(signal.SIGSTOP)
    began, already = time.monotonic(), len(pages.accepted)
    try:
        pages.befall(Faults())
        second.start()
        until(lambda: len(pages.accepted) > already, within_s=_LIMIT_S, saying="another takes the work over")
        waited_s = time.monotonic() - began
        until(lambda: not second.pending(), within_s=_LIMIT_S, saying="another does the work")
    finally:
        stalling.send_signal(signal.SIGCONT)
    awake: dict[str, list[AlertEvent]] = {"Proof9999": changes_of("Proof9999", 1)}
    first.publish(awake["Proof9999"])
    until(lambda: first.metric(_FENCED) or "unfenced" in second.variant, within_s=_LIMIT_S, saying="late results come")
    time.sleep(1.5)  # For what was made pending again, if anything was: it would be sent within a second.
    until(lambda: not second.pending(), within_s=_LIMIT_S, saying="all is done")
    run = Run(
        history=History({**ended, **awake}),
        deliveries=second.deliveries(),
        accepted={_NAME: pages.accepted},
        pagerduty=pages.model(),
    )
    counts = Counter(each.key for each in pages.received)
    return StalledPublisherOutcome(
        deliveries=len(list(run.deliveries)),
        waited_s=waited_s,
        sent_twice=sum(count == 2 for count in counts.values()),
        sent_more=sum(count > 2 for count in counts.values()),
        fenced=int(first.metric(_FENCED)),
        problems=problems_of(run),
    )


def main() -> None:
    """Stall once; exit 1 when a late result did anything."""
    with postgres_server() as server, new_database(server) as database:
        outcome = stall(database)
    for problem in outcome.problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{outcome}\n")
    sys.exit(1 if outcome.problems or outcome.sent_more or outcome.fenced < IN_HANDS else 0)


if __name__ == "__main__":
    main()
