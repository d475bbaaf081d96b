"""Pages of answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from alerthistory_common import paging

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page, and the token of the next one; empty at the end."""

    items: Sequence[T]
    next_token: str

    @classmethod
    def cut(
        cls, found: Sequence[T], size: int, cursor: Callable[[T], paging.Cursor], question: tuple[object, ...]
    ) -> Self:
        """Return the first *size* of *found*, which holds one more when there is a next page."""
        items = found[:size]
        has_more = len(found) > size
        return cls(items=items, next_token=paging.encode_token(cursor(items[-1]), *question) if has_more else "")
