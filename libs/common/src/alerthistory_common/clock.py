"""Where "now" comes from."""

import time
from typing import Protocol

from alerthistory_common.alerts import Instant


class Clock(Protocol):
    """Tells the time; tests bring their own."""

    def now(self) -> Instant:
        """Return the current moment."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Instant:
        """Return the current moment, to the nanosecond where the machine knows it."""
        micros, nanos = divmod(time.time_ns(), 1000)
        return Instant(micros, nanos)
