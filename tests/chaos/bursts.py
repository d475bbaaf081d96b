"""A burst of alerts to providers that take only so many: nobody is asked again before the pause that it wanted is over.

``python -m tests.chaos.bursts [REPLICAS]``, 17 minutes: 1 000 alerts at once, of which Slack takes one per second and
PagerDuty 120 per minute. Several replicas share PostgreSQL and Redis. The last line is ``alerts=… delivered=… dead=…
throttled=… violations=… seconds=…``, all targets together.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from alerthistory.publisher.v1 import delivery_pb2
from alerthistory_common.alerts import AlertEvent
from tests.chaos.provider_check import changes_of
from tests.databases import new_database, postgres_server
from tests.fakes import pagerduty, slack
from tests.fakes.pagerduty import PagerDuty
from tests.fakes.provider import serving
from tests.fakes.slack import Slack
from tests.processes import short_folder, until
from tests.publisher_processes import publishers
from tests.redis_server import running_redis

_BATCH = 200
_DELIVERED, _DEAD = delivery_pb2.DELIVERY_STATE_DELIVERED, delivery_pb2.DELIVERY_STATE_DEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How many alerts there are, what the providers take, and what the targets are told to keep to."""

    alerts: int
    slack_per_second: float
    slack_burst: int
    slack_limits: Sequence[str]
    pagerduty_limit: int
    pagerduty_window_s: float
    pagerduty_limits: Sequence[str]

    @property
    def limit_s(self) -> float:
        """How long it may take until all is delivered."""
        slowest = max(self.alerts / self.slack_per_second, self.alerts / self.pagerduty_limit * self.pagerduty_window_s)
        return 60 + 2 * slowest


REAL = Rates(
    alerts=1000,
    slack_per_second=1,
    slack_burst=3,
    slack_limits=["1 per second"],
    pagerduty_limit=120,
    pagerduty_window_s=60,
    pagerduty_limits=["120 per 61 second"],
)
QUICK = Rates(
    alerts=60,
    slack_per_second=10,
    slack_burst=13,  # What a second allows may come at once.
    slack_limits=["10 per second"],
    pagerduty_limit=20,
    pagerduty_window_s=1,
    pagerduty_limits=["20 per second"],
)


@dataclass(kw_only=True)
class BurstOutcome:
    """What came of a burst; ``violations`` are pauses that were not kept."""

    alerts: int = 0
    delivered: int = 0
    dead: int = 0
    throttled: int = 0
    violations: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether every alert came to both targets, and no pause was cut short."""
        return self.delivered == 2 * self.alerts and not self.dead and not self.violations

    def __str__(self) -> str:
        return (
            f"alerts={self.alerts} delivered={self.delivered} dead={self.dead} throttled={self.throttled} "
            f"violations={len(self.violations)} seconds={self.seconds:.1f}"
        )


def burst(rates: Rates, *, is_limited: bool = True, replicas: int = 1) -> BurstOutcome:
    """Return what came of a burst; with *is_limited* False the targets are told no rates."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        chat = stack.enter_context(serving(Slack(per_second=rates.slack_per_second, burst=rates.slack_burst)))
        pages = stack.enter_context(serving(PagerDuty(limit=rates.pagerduty_limit, window_s=rates.pagerduty_window_s)))
        targets = [
            {
                "name": "slack",
                "format": "slack",
                "url": chat.url + slack.WEBHOOK,
                "rate_limits": list(rates.slack_limits) if is_limited else [],
            },
            {
                "name": "pagerduty",
                "format": "pagerduty",
                "url": pages.url + pagerduty.PATH,
                "routing_key": pagerduty.ROUTING_KEY,
                "rate_limits": list(rates.pagerduty_limits) if is_limited else [],
            },
        ]
        database, env = None, {}
        if replicas > 1:
            database = stack.enter_context(new_database(stack.enter_context(postgres_server())))
            server = stack.enter_context(running_redis(folder / "redis"))
            env["ALERTHISTORY_REDIS_URL"] = f"unix://{server.socket}"
        started = stack.enter_context(publishers(folder, targets, count=replicas, database=database, env=env))
        for publisher in started:
            publisher.start()
        began = time.monotonic()
        events: list[AlertEvent] = [changes_of(f"Proof{number:04}", 1)[0] for number in range(rates.alerts)]
        for number in range(0, len(events), _BATCH):
            started[0].publish(events[number : number + _BATCH], timeout_s=30)
        until(lambda: not started[0].pending(), within_s=rates.limit_s, saying="the burst is delivered")
        states = [each.state for each in started[0].deliveries()]
        return BurstOutcome(
            alerts=rates.alerts,
            delivered=states.count(_DELIVERED),
            dead=states.count(_DEAD),
            throttled=chat.model().throttled + pages.model().throttled,
            violations=chat.model().violations,
            seconds=time.monotonic() - began,
        )


def main() -> None:
    """Let a burst come; exit 1 when a pause was not kept or an alert is missing."""
    outcome = burst(REAL, replicas=int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    sys.stdout.write(f"{outcome}\n")
    sys.exit(0 if outcome.is_kept else 1)


if __name__ == "__main__":
    main()
