"""One id for each request, in its log lines and in its answer."""

import re
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class RequestId:
    """Takes the client's id when it is sane, and makes one otherwise.

    Inbound baggage is dropped here: it would be passed on to every service.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        given = b""
        headers = []
        for name, value in scope["headers"]:
            if name == _NAME:
                given = value
            if name != b"baggage":
                headers.append((name, value))
        request_id = given if _SANE.fullmatch(given) else uuid4().hex.encode()
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (_NAME, request_id)]}
            await send(message)

        await self._app({**scope, "headers": headers}, receive, send_with_id)
