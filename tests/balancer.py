"""A TCP balancer as a Kubernetes Service is one: each new connection goes to the next endpoint; what is open stays."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.fault_proxy import FaultProxy


class Balancer(FaultProxy):
    """Spreads connections to ``port`` over endpoints, which are ports of loopback that come and go."""

    def __init__(self, endpoints: Sequence[int]) -> None:
        super().__init__(endpoints[0])
        self._endpoints = list(endpoints)
        self._turns = itertools.count()

    def remove(self, endpoint: int) -> None:
        """Open no more connections to *endpoint*."""
        self._endpoints = [each for each in self._endpoints if each != endpoint]

    def add(self, endpoint: int) -> None:
        """Open connections to *endpoint*, too."""
        self._endpoints = [*self._endpoints, endpoint]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        endpoints = self._endpoints
        return await asyncio.open_connection("127.0.0.1", endpoints[next(self._turns) % len(endpoints)])


@contextmanager
def balancing(endpoints: Sequence[int]) -> Iterator[Balancer]:
    """Yield a balancer in front of *endpoints*."""
    balancer = Balancer(endpoints)
    balancer.start()
    try:
        yield balancer
    finally:
        balancer.close()
