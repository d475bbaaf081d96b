"""Two Alertmanagers as an HA pair, and an outage of ours that is longer than they wait for each other.

``python -m tests.chaos.alertmanager_pair [SECONDS]``. Both peers then deliver what fired meanwhile. The last line is
``raw_deliveries=… fired_events=… published=…``: how often the alert was posted to us, fired, and was delivered.
"""

import sys
import time
from dataclasses import dataclass

import httpx

from tests.fakes.alertmanager import alertmanager
from tests.fakes.inbox import open_inbox
from tests.payloads import ago
from tests.processes import free_ports, short_folder, until
from tests.suites import Suite

_GROUP_INTERVAL = "60s"
_SETTLING_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How often one alert came, fired and was delivered."""

    raw_deliveries: int
    fired_events: int
    published: int


def outage_of(seconds: float) -> Seen:
    """Return what became of an alert that began to fire while we were away for *seconds*."""
    with short_folder() as folder, open_inbox() as inbox:
        targets = inbox.write_targets(folder / "targets.yaml")
        suite = Suite(folder, env={"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets)})
        suite.run("alerthistory", "migrate")
        one, other = (f"127.0.0.1:{port}" for port in free_ports(2))
        webhook = f"{suite.url}/webhook"
        with (
            alertmanager(folder / "a", webhook=webhook, group_interval=_GROUP_INTERVAL, cluster=one) as first,
            alertmanager(
                folder / "b", webhook=webhook, group_interval=_GROUP_INTERVAL, cluster=other, peer=one
            ) as second,
        ):
            until(lambda: _peers(first.http) == _peers(second.http) == 2, within_s=60, saying="the pair is one")
            for each in (first, second):  # As Prometheus does.
                each.post({"alertname": "InTheDark"}, startsAt=ago(minutes=1))
            time.sleep(seconds)
            with suite.running():
                until(lambda: _received(suite) >= 2, within_s=60, saying="both peers delivered")
                until(lambda: inbox.delivered, saying="it was published")
                time.sleep(_SETTLING_S)
                events = suite.run("ahctl", "events", "--json").stdout
                return Seen(
                    raw_deliveries=_received(suite),
                    fired_events=events.count('"fired"'),
                    published=len(inbox.delivered),
                )


def _peers(http: httpx.Client) -> int:
    return len(http.get("/api/v2/status").raise_for_status().json()["cluster"].get("peers", ()))


def _received(suite: Suite) -> int:
    """Return how many webhooks ingest took."""
    metrics = httpx.get(f"http://{suite.env['ALERTHISTORY_GATEWAY_METRICS_LISTEN']}/metrics", trust_env=False).text
    lines = (line for line in metrics.splitlines() if line.startswith("alerthistory_ingest_payloads_total{"))
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)


def main() -> None:
    """Print what was seen; exit 1 unless both peers delivered and it counted once."""
    seen = outage_of(float(sys.argv[1]) if len(sys.argv) > 1 else 32.0)
    sys.stdout.write(
        f"raw_deliveries={seen.raw_deliveries} fired_events={seen.fired_events} published={seen.published}\n"
    )
    sys.exit(seen != Seen(raw_deliveries=2, fired_events=1, published=1))


if __name__ == "__main__":
    main()
