"""How much of what strangers send is held in memory at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from prometheus_client import Gauge

from alerthistory_common.errors import UnavailableError


class OverloadedError(UnavailableError):
    """There is more in hand than fits; senders that try again in a moment lose nothing."""

    @classmethod
    def of_requests(cls) -> "OverloadedError":
        """Return the error of too many requests."""
        return cls("too many requests are in hand; try again", retry_after=timedelta(seconds=1))


class Ticket:
    """The right of one request to be in hand, and what it takes."""

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self.size = 0

    def grow(self, size: int) -> None:
        """Take *size* bytes more; raise OverloadedError when all requests together take too many."""
        self._admission.grow(size)
        self.size += size


class Admission:
    """Counts requests in hand and their bytes, and refuses at once what exceeds the bounds."""

    def __init__(self, *, max_requests: int, max_bytes: int, gauge: Gauge) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._gauge = gauge
        self._requests = 0
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether as many requests are in hand as may be."""
        return self._requests >= self._max_requests

    @contextmanager
    def admit(self) -> Iterator[Ticket]:
        """Yield the ticket of one request; raise OverloadedError when there are too many."""
        if self.is_full:
            raise OverloadedError.of_requests()
        self._requests += 1
        self._gauge.set(self._requests)
        ticket = Ticket(self)
        try:
            yield ticket
        finally:
            self._requests -= 1
            self._bytes -= ticket.size
            self._gauge.set(self._requests)

    def grow(self, size: int) -> None:
        """Count *size* bytes more, or raise OverloadedError."""
        if self._bytes + size > self._max_bytes:
            raise OverloadedError("too many bytes are in hand; try again", retry_after=timedelta(seconds=1))
        self._bytes += size
