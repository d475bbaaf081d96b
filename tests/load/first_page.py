"""How soon somebody is paged: ``python -m tests.load.first_page [ALERTS] [PER_SECOND]``.

The whole suite in one process on SQLite, as ``make run`` starts it, with the rules that judge; webhooks of one new
alert each at a steady rate; and a fake PagerDuty. The time runs from the first byte of the webhook to the request at
PagerDuty. Prints a line and writes ``docs/performance/results/first_page.json``.
"""

import json
import re
import statistics
import sys
import time
from contextlib import ExitStack

import httpx

from tests.fakes import pagerduty
from tests.fakes.pagerduty import PagerDuty
from tests.fakes.provider import serving
from tests.load.results import write
from tests.payloads import alert, webhook
from tests.processes import short_folder, until
from tests.suites import Suite

_NAME = re.compile(r"Page[0-9]{5}")
_WARM_UP = 10
_LIMIT_S = 60.0


def measure(alerts: int, *, per_second: float) -> list[float]:
    """Return how long each alert took from the webhook to PagerDuty, in seconds."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        pages = stack.enter_context(serving(PagerDuty(limit=1_000_000)))
        target = {
            "name": "pages",
            "format": "pagerduty",
            "url": pages.url + pagerduty.PATH,
            "routing_key": pagerduty.ROUTING_KEY,
            "rate_limits": [],
        }
        targets = folder / "targets.yaml"
        targets.write_text(json.dumps({"targets": [target]}))
        env = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets)}
        suite = Suite(folder, env={**env, "ALERTHISTORY_LOG_LEVEL": "warning"})
        stack.enter_context(suite.running())
        client = stack.enter_context(httpx.Client(base_url=suite.url, trust_env=False, verify=False))
        posted = _post(client, _WARM_UP + alerts, interval_s=1 / per_second)
        until(lambda: len(pages.accepted) >= len(posted), within_s=_LIMIT_S, saying="all is paged")
        paged: dict[str, float] = {}
        for each in pages.accepted:
            if found := _NAME.search(each.body):
                paged.setdefault(found[0], each.at)
        return [paged[name] - at for name, at in list(posted.items())[_WARM_UP:]]


def _post(client: httpx.Client, count: int, *, interval_s: float) -> dict[str, float]:
    posted: dict[str, float] = {}
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * interval_s - time.monotonic()))
        name = f"Page{number:05}"
        body = webhook([alert(name, namespace="shop")])
        posted[name] = time.monotonic()
        client.post("/webhook", json=body).raise_for_status()
    return posted


def main() -> None:
    """Measure, print and write the results."""
    alerts, per_second = (float(each) for each in [*sys.argv[1:], *("300", "10")[len(sys.argv) - 1 :]])
    waits = sorted(measure(int(alerts), per_second=per_second))
    row = {
        "what": "webhook to PagerDuty",
        "alerts": len(waits),
        "p50_ms": round(statistics.median(waits) * 1000, 1),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "longest_ms": round(waits[-1] * 1000, 1),
    }
    sys.stdout.write(" ".join(f"{name}={value}" for name, value in row.items() if name != "what") + "\n")
    write("first_page", [row])


if __name__ == "__main__":
    main()
