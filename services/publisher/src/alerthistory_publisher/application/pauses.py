"""Which targets asked not to be called for a while."""

from collections.abc import Callable
from datetime import timedelta

from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock
from alerthistory_publisher.domain.outcomes import later

Told = Callable[[str, timedelta], None]


class Pauses:
    """The pauses this replica knows: its own, and what others tell by ``note``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, Instant] = {}
        self._tell: Told = lambda target, pause: None

    def also(self, tell: Told) -> None:
        """Call *tell* about each pause that begins here."""
        self._tell = tell

    def begin(self, target: str, pause: timedelta) -> None:
        """Leave *target* alone for as long as it asked, here and elsewhere."""
        self.note(target, pause)
        self._tell(target, pause)

    def note(self, target: str, pause: timedelta) -> None:
        """Leave *target* alone for *pause*, here; a pause that lasts longer stays."""
        until = later(self._clock.now(), pause)
        self._until[target] = max(until, self._until.get(target, until))

    def end(self, target: str, now: Instant) -> Instant | None:
        """Return until when *target* is to be left alone; None when it need not be at *now*."""
        until = self._until.get(target, now)
        return until if until > now else None
