"""Where a tail of events stands, so that it goes on after an interruption without a gap."""

from dataclasses import dataclass
from typing import Self

from alerthistory.history.v1 import history_service_pb2 as history_pb2

_LARGEST_BACKLOG = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The place in the order of events from which a tail reads on: after a cursor, or some events ago.

    It never means "from now on": gRPC itself repeats a call that broke before its first answer, and "now" would then
    be later than it was.
    """

    cursor: str = ""
    backlog: int = 0

    @classmethod
    def first(cls, *, cursor: str, backlog: int, latest: str | None) -> Self:
        """Return where a tail begins; *latest* is the cursor of the newest event, None when there is no event yet."""
        if cursor:
            return cls(cursor=cursor)
        if latest is None:
            return cls(backlog=_LARGEST_BACKLOG)
        return cls(backlog=backlog) if backlog else cls(cursor=latest)

    def request(self) -> history_pb2.TailEventsRequest:
        """Return the request that reads on from here."""
        return history_pb2.TailEventsRequest(cursor=self.cursor, backlog=self.backlog)
