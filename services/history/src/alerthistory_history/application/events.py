"""Listing events."""

import re

from alerthistory_common import paging
from alerthistory_common.alerts import AlertEvent
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_history.domain.records import EventFilter, Position
from alerthistory_history.ports import EventStore

from .pages import Page
from .patience import Patience

_CURSOR = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")
_LARGEST = 2**63 - 1


def position_of(cursor: str) -> Position:
    """Return where the event with *cursor* stands; raise InvalidArgumentError when it is not one of ours."""
    match = _CURSOR.fullmatch(cursor)
    position = Position(*map(int, match.groups())) if match else None
    if position is None or max(position) > _LARGEST:
        raise InvalidArgumentError(
            "cursor is not one of ours", FieldViolation(field="cursor", description="must be the cursor of an event")
        )
    return position


async def list_events(
    store: EventStore, wanted: EventFilter, patience: Patience, *, newest_first: bool, page_size: int, page_token: str
) -> Page[AlertEvent]:
    """Return a page of the events that are wanted."""
    size = paging.page_size(page_size, default=100)
    question = ("events", wanted, newest_first)
    after = paging.decode_token(page_token, *question)
    position = None if after is None else position_of(str(after[0]))
    async with patience.within():
        page = await store.page(wanted, newest_first=newest_first, after=position, limit=size + 1)
    return Page.cut(page.events, size, lambda event: (event.cursor,), question, weigh=weight)


def weight(event: AlertEvent) -> int:
    """Return how many bytes the long values of *event* have."""
    return len(event.labels_json) + len(event.annotations_json)
