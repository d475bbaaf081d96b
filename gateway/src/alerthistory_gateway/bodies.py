"""Request bodies, read within bounds of size and time."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from alerthistory_common.errors import AlertHistoryError, UnavailableError


class BodyTooLargeError(AlertHistoryError):
    """The body exceeds the limit of this server."""

    code = "OUT_OF_RANGE"
    reason = "BODY_TOO_LARGE"


class SlowBodyError(UnavailableError):
    """The body did not arrive in time. A 408 would make Alertmanager drop the notification; a 503 is tried again."""

    reason = "SLOW_BODY"


class BodyReader:
    """Reads bodies of at most *max_bytes* that arrive within *timeout_s*."""

    def __init__(self, *, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def read(self, request: Request, *, on_bytes: Callable[[int], None] = lambda _: None) -> bytes:
        """Return the body as sent; *on_bytes* is told the size of each piece, and may refuse by raising.

        Raises BodyTooLargeError before anything is read when the announced length already says so, SlowBodyError, and
        starlette's ClientDisconnect when the client leaves before its body is complete.
        """
        self._check(_announced_length(request))
        chunks: list[bytes] = []
        total = 0
        try:
            async with asyncio.timeout(self._timeout_s):
                async for chunk in request.stream():
                    self._check(total := total + len(chunk))
                    on_bytes(len(chunk))
                    chunks.append(chunk)
        except TimeoutError as error:
            raise SlowBodyError(f"the request body did not arrive within {self._timeout_s:g} s") from error
        return b"".join(chunks)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise BodyTooLargeError(f"the request body is larger than {self._max_bytes} bytes")


def _announced_length(request: Request) -> int:
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isdecimal() and len(announced) < 20 else 0
