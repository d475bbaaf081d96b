"""Listing events."""

import re

from alerthistory_common import paging
from alerthistory_common.alerts import AlertEvent, Fingerprint
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_history.domain.records import Position
from alerthistory_history.ports import EventStore

from .pages import Page

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
    store: EventStore, fingerprint: str, *, newest_first: bool, page_size: int, page_token: str
) -> Page[AlertEvent]:
    """Return a page of the events of one alert, or of all when *fingerprint* is empty."""
    size = paging.page_size(page_size, default=100)
    question = ("events", fingerprint, newest_first)
    after = paging.decode_token(page_token, *question)
    page = await store.page(
        Fingerprint(fingerprint) if fingerprint else None,
        newest_first=newest_first,
        after=None if after is None else position_of(str(after[0])),
        limit=size + 1,
    )
    return Page.cut(page.events, size, lambda event: (event.cursor,), question, weigh=weight)


def weight(event: AlertEvent) -> int:
    """Return how many bytes the long values of *event* have."""
    return len(event.labels_json) + len(event.annotations_json)
