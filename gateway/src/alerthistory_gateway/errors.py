"""What a failure looks like over HTTP."""

import math

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerthistory_common.errors import AlertHistoryError, UnavailableError
from alerthistory_gateway.legacy.rendering import refusal
from alerthistory_gateway.legacy.validation import RefusedError

_LOG = structlog.get_logger(__name__)
_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "FAILED_PRECONDITION": 409,
    "OUT_OF_RANGE": 413,
    "DEADLINE_EXCEEDED": 503,
    "UNAVAILABLE": 503,
}


class ErrorAnswers:
    """Answers with JSON when *app* raises; a client that has left gets nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_started = False

        async def watch(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return
        except Exception as error:
            if has_started:  # Only breaking the connection tells the client that the answer is not complete.
                raise
            await answer_for(error)(scope, receive, send)


def answer_for(error: Exception) -> Response:
    """Return the response that stands for *error*. Defects of ours tell strangers nothing; the log has them."""
    if isinstance(error, RefusedError):
        return error.response
    if isinstance(error, AlertHistoryError) and error.code in _STATUSES:
        return refusal(_STATUSES[error.code], error.message, headers=_headers(error))
    _LOG.error("request failed", exc_info=error)
    return refusal(500, "Internal Server Error")


def _headers(error: AlertHistoryError) -> dict[str, str]:
    if isinstance(error, UnavailableError):
        return {"retry-after": str(max(1, math.ceil(error.retry_after.total_seconds())))}
    return {"www-authenticate": "Bearer"} if error.code == "UNAUTHENTICATED" else {}
