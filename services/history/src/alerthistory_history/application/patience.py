"""How long a question may take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from alerthistory_common.errors import DeadlineExceededError


class QueryTooSlowError(DeadlineExceededError):
    """The question would read too much; it has to be narrowed."""

    reason = "QUERY_TOO_SLOW"


@dataclass(frozen=True, slots=True)
class Patience:
    """Ends questions that take longer than *limit*, so that they do not hold up others."""

    limit: timedelta

    @asynccontextmanager
    async def within(self) -> AsyncIterator[None]:
        """Raise QueryTooSlowError when what is done inside takes too long."""
        seconds = self.limit.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise QueryTooSlowError(
                f"the query took longer than {seconds:g} s: narrow it by time, alert name, namespace, severity or a"
                ' matcher with "="; regular expressions, negative matchers and search look through all that remain'
            ) from error
