"""Where a tail of events stands, so that it goes on after an interruption without a gap."""

from alerthistory.history.v1 import history_service_pb2 as history_pb2

_LARGEST_BACKLOG = 1000


class Position:
    """The place in the order of events from which a tail reads on.

    *latest* is the cursor of the newest event when the tail began, None when there was no event at all: an
    interruption before the first event of the tail must not lose what happens meanwhile.
    """

    def __init__(self, *, cursor: str = "", backlog: int = 0, latest: str | None = None) -> None:
        self._cursor = cursor
        self._backlog = backlog
        self._latest = latest

    def request(self) -> history_pb2.TailEventsRequest:
        """Return the request that reads on from here."""
        return history_pb2.TailEventsRequest(cursor=self._cursor, backlog=0 if self._cursor else self._backlog)

    def advance(self, cursor: str) -> None:
        """Note that everything up to *cursor* was read."""
        self._cursor = cursor

    def interrupted(self) -> None:
        """Note that the stream broke: events since the beginning of the tail are wanted, not only those from now on."""
        if self._cursor:
            return
        if self._latest is None:
            self._backlog = _LARGEST_BACKLOG
        elif not self._backlog:
            self._cursor = self._latest
