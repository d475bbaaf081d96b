"""A load generator: webhooks of alerts over kept connections, as fast as they are answered or at a steady rate."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator

from tests.payloads import ago, alert, webhook

PLACE = "f1f2f3f4%08x"
"""The fingerprint of an alert, and its pod, by the alert's number."""


class Load:
    """Posts webhooks of the alerts with *numbers*; *interval_s* apart, or as fast as they are answered."""

    def __init__(
        self,
        port: int,
        numbers: Iterator[int],
        *,
        connections: int,
        per_webhook: int,
        interval_s: float = 0.0,
        starts_at: str = "",
    ) -> None:
        self._port = port
        self._numbers = numbers
        self._connections = connections
        self._per_webhook = per_webhook
        self._interval_s = interval_s
        one = alert("Load", fingerprint="#", pod="#", namespace="shop", starts_at=starts_at or ago(minutes=1))
        self._template = json.dumps(one)
        self._frame = json.dumps(webhook([])).replace('"alerts": []', '"alerts": [%s]').replace('"{}:{}"', '""')
        self.acknowledged: dict[int, float] = {}
        self.delays: list[float] = []
        self.count = 0

    async def run(self, turns: Iterator[object]) -> float:
        """Post one webhook per turn and return the alerts acknowledged per second."""
        began = self._next_at = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._connections):
                tasks.create_task(self._post(turns))
        return self.count / (time.perf_counter() - began)

    async def _post(self, turns: Iterator[object]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for _ in turns:
            due = self._next_at
            self._next_at = due + self._interval_s
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            numbers = list(itertools.islice(self._numbers, self._per_webhook))
            began = time.perf_counter()
            writer.write(self._request(numbers))
            await _answered(reader)
            now = time.perf_counter()
            self.delays.append(now - began)
            self.count += len(numbers)
            self.acknowledged.update(dict.fromkeys(numbers, now))
        writer.close()
        await writer.wait_closed()

    def _request(self, numbers: list[int]) -> bytes:
        body = (self._frame % ", ".join(self._template.replace("#", PLACE % number) for number in numbers)).encode()
        return b"POST /webhook HTTP/1.1\r\nHost: load\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def lasting(seconds: float) -> Iterator[None]:
    """Yield turns until *seconds* have passed since the first."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield None


async def _answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise AssertionError(head.decode())
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
