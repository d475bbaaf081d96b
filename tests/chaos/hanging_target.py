"""One target accepts everything and never answers; the others must not feel it.

``python -m tests.chaos.hanging_target [SECONDS]``. From ``PublishAlerts`` to the receipt by the targets that work. The
last line is ``target=… alerts=… sent_to_hanging=… p50_s=… p99_s=… missing=…`` of the one that waited longest.
"""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.chaos.provider_check import changes_of, key_of
from tests.fakes import pagerduty, rootly, slack
from tests.fakes.pagerduty import PagerDuty
from tests.fakes.provider import Faults, ProviderServer, serving
from tests.fakes.rootly import Rootly
from tests.fakes.slack import Slack
from tests.processes import short_folder
from tests.publisher_processes import PublisherProcess, publishers

LIMIT_S = 2.0
_TIMEOUT_S = 30.0
_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long one target waited for alerts, in seconds; what is missing waits still."""

    target: str
    alerts: int
    sent_to_hanging: int
    p50_s: float
    p99_s: float
    missing: int

    def __str__(self) -> str:
        return (
            f"target={self.target} alerts={self.alerts} sent_to_hanging={self.sent_to_hanging} "
            f"p50_s={self.p50_s:.3f} p99_s={self.p99_s:.3f} missing={self.missing}"
        )


def measure(seconds: float, *, variant: str = "") -> Waits:
    """Return the waits of the slower of two targets that work, beside one that hangs, over so many *seconds*."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        hanging = stack.enter_context(serving(Slack(), faults=Faults(silent=1)))
        pages = stack.enter_context(serving(PagerDuty(limit=1_000_000)))
        incidents = stack.enter_context(serving(Rootly(limit=1_000_000)))
        targets: list[dict[str, Any]] = [
            {"name": "hanging", "format": "slack", "url": hanging.url + slack.WEBHOOK, "timeout_s": _TIMEOUT_S},
            {
                "name": "pagerduty",
                "format": "pagerduty",
                "url": pages.url + pagerduty.PATH,
                "routing_key": pagerduty.ROUTING_KEY,
            },
            {
                "name": "rootly",
                "format": "rootly",
                "url": incidents.url + rootly.INCIDENTS,
                "headers": {"Authorization": f"Bearer {rootly.TOKEN}"},
            },
        ]
        (publisher,) = stack.enter_context(publishers(folder, targets, variant=variant))
        publisher.start()
        published = _publish(publisher, seconds)
        wanted = {key_of(event_id, name) for event_id in published for name in ("pagerduty", "rootly")}
        deadline = time.monotonic() + 1.5 * LIMIT_S
        while time.monotonic() < deadline and wanted - {each.key for each in (*pages.accepted, *incidents.accepted)}:
            time.sleep(0.1)
        waits = [_waits("pagerduty", pages, published, hanging), _waits("rootly", incidents, published, hanging)]
        return max(waits, key=lambda each: each.p99_s)


def _publish(publisher: PublisherProcess, seconds: float) -> dict[str, float]:
    """Return when each event was published, while alerts begin to fire at a steady rate."""
    published: dict[str, float] = {}
    began = time.monotonic()
    for number in count():
        due = began + number * _INTERVAL_S
        if due > began + seconds:
            return published
        time.sleep(max(0.0, due - time.monotonic()))
        (event,) = changes_of(f"Proof{number:04}", 1)
        published[event.event_id] = time.monotonic()
        publisher.publish([event])
    raise AssertionError("a count never ends")


def _waits(target: str, server: ProviderServer, published: dict[str, float], hanging: ProviderServer) -> Waits:
    arrived = {each.key: each.at for each in reversed(server.accepted)}
    now = time.monotonic()
    keys = {key_of(event_id, target): at for event_id, at in published.items()}
    waits = sorted(arrived.get(key, now) - at for key, at in keys.items())
    return Waits(
        target=target,
        alerts=len(waits),
        sent_to_hanging=len(hanging.received),
        p50_s=waits[len(waits) // 2],
        p99_s=waits[int(len(waits) * 0.99)],
        missing=len(keys.keys() - arrived.keys()),
    )


def main() -> None:
    """Measure for as many seconds as the first argument says; exit 1 when a target felt the one that hangs."""
    waits = measure(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
    sys.stdout.write(f"{waits}\n")
    sys.exit(1 if waits.p99_s >= LIMIT_S or waits.missing or not waits.sent_to_hanging else 0)


if __name__ == "__main__":
    main()
