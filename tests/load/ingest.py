"""How many alerts a second are acknowledged: ``python -m tests.load.ingest [SECONDS]``.

Runs the all-in-one process on SQLite and posts webhooks over loopback, every setting in turn, three rounds interleaved;
prints the median of each. Load generator and suite share the machine, so compare the rows of one run, not runs.
"""

import asyncio
import itertools
import json
import statistics
import sys
import time
from pathlib import Path

import uvloop

from tests.payloads import alert, webhook
from tests.processes import short_folder
from tests.suites import Suite

_ROUNDS = 3
_SETTINGS = [(connections, per_webhook) for per_webhook in (1, 10, 100) for connections in (1, 8, 64)]


class Load:
    """Posts webhooks of new alerts over some connections, as fast as they are answered."""

    def __init__(self, port: int, *, connections: int, per_webhook: int, numbers: "itertools.count[int]") -> None:
        self._port = port
        self._connections = connections
        self._per_webhook = per_webhook
        self._numbers = numbers
        self._acknowledged = 0

    async def run(self, seconds: float) -> float:
        """Return the alerts acknowledged per second."""
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._connections):
                tasks.create_task(self._post_until(started + seconds))
        return self._acknowledged / (time.perf_counter() - started)

    async def _post_until(self, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while time.perf_counter() < end:
            writer.write(self._request())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise AssertionError(head.decode())
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            self._acknowledged += self._per_webhook
        writer.close()
        await writer.wait_closed()

    def _request(self) -> bytes:
        alerts = [alert("Load", fingerprint=f"{next(self._numbers):016x}") for _ in range(self._per_webhook)]
        body = json.dumps(webhook(alerts)).encode()
        return b"POST /webhook HTTP/1.1\r\nHost: load\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _measure(port: int, seconds: float) -> dict[tuple[int, int], list[float]]:
    rates: dict[tuple[int, int], list[float]] = {setting: [] for setting in _SETTINGS}
    numbers = itertools.count()
    for _ in range(_ROUNDS):
        for connections, per_webhook in _SETTINGS:
            load = Load(port, connections=connections, per_webhook=per_webhook, numbers=numbers)
            rates[connections, per_webhook].append(await load.run(seconds))
    return rates


def main() -> None:
    """Measure and print a table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with short_folder() as folder:
        suite = Suite(Path(folder), env={"ALERTHISTORY_INGEST_WEBHOOK": "store"})
        with suite.running():
            rates = uvloop.run(_measure(suite.port, seconds))
    sys.stdout.write("alerts/webhook  connections  alerts/s (median)\n")
    for (connections, per_webhook), measured in rates.items():
        sys.stdout.write(f"{per_webhook:14}  {connections:11}  {statistics.median(measured):17,.0f}\n")


if __name__ == "__main__":
    main()
