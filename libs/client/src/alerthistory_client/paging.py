"""Lists that come page by page."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

_PAGE_SIZE = 1000

_T = TypeVar("_T")


async def paged(
    page: Callable[[int, str], Coroutine[Any, Any, tuple[list[_T], str]]], limit: int | None
) -> AsyncIterator[_T]:
    """Iterate over the items of page after page, *limit* at most; *page* takes a size and a token."""
    token, left = "", limit
    while left is None or left > 0:
        items, token = await page(_PAGE_SIZE if left is None else min(left, _PAGE_SIZE), token)
        for item in items[:left]:
            yield item
        if not token:
            return
        left = None if left is None else left - len(items)
