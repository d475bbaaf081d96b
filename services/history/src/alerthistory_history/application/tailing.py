"""Streams of events: in their order, without gaps, resumable."""

from collections.abc import AsyncIterator, Sequence

from alerthistory_common.alerts import AlertEvent
from alerthistory_common.errors import DrainingError
from alerthistory_history.domain.records import Position
from alerthistory_history.ports import EventStore

from .events import position_of, weight
from .pages import fitting
from .pulse import Pulse, heard

_PAGE = 500
# gRPC's clients take messages of 4 MiB unless told otherwise, and a tail's cannot ask for smaller ones.
_MAX_BATCH_BYTES = 2 * 1024 * 1024
_POLL_S = 1.0
_HELD_BACK_POLL_S = 0.02


class Tails:
    """Follows the events for any number of clients; each reads pages from the store at its own pace."""

    def __init__(self, store: EventStore, pulse: Pulse) -> None:
        self._store = store
        self._pulse = pulse
        self._is_draining = False

    async def start(self, cursor: str, *, backlog: int) -> Position:
        """Return where to begin: after *cursor*, or without one *backlog* events ago."""
        return position_of(cursor) if cursor else await self._store.start(backlog=backlog)

    async def follow(self, position: Position) -> AsyncIterator[Sequence[AlertEvent]]:
        """Yield the events after *position* as they are committed, never an empty batch.

        Ends with DrainingError. Commits of other replicas are seen within a second; by Redis, at once.
        """
        while not self._is_draining:
            beat = self._pulse.next()
            page = await self._store.after(position, limit=_PAGE)
            if page.events:
                batch = fitting(page.events, weight, max_bytes=_MAX_BATCH_BYTES)
                yield batch
                position = position_of(batch[-1].cursor)
            elif not self._is_draining:
                await heard(beat, within_s=_HELD_BACK_POLL_S if page.is_held_back else _POLL_S)
        raise DrainingError("this replica is going away: resume with the last cursor")

    def drain(self) -> None:
        """End all streams."""
        self._is_draining = True
        self._pulse.wake()
