"""Pages of answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from alerthistory_common import paging

T = TypeVar("T")

_MAX_BYTES = 32 * 1024 * 1024
"""What the long values of a page may take together: half of what a message may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page, and the token of the next one; empty at the end."""

    items: Sequence[T]
    next_token: str

    @classmethod
    def cut(
        cls,
        found: Sequence[T],
        size: int,
        cursor: Callable[[T], paging.Cursor],
        question: tuple[object, ...],
        *,
        weigh: Callable[[T], int] = lambda _: 0,
    ) -> Self:
        """Return the first *size* of *found*, which holds one more when there is a next page.

        It ends earlier when items of *weigh* bytes each would not fit into a message.
        """
        items = fitting(found[:size], weigh)
        has_more = len(found) > len(items)
        return cls(items=items, next_token=paging.encode_token(cursor(items[-1]), *question) if has_more else "")


def fitting(items: Sequence[T], weigh: Callable[[T], int], *, max_bytes: int = _MAX_BYTES) -> Sequence[T]:
    """Return those of the first *items* that fit into a message together, at least one if there is any."""
    total = 0
    for count, item in enumerate(items):
        total += weigh(item)
        if total > max_bytes and count:
            return items[:count]
    return items
