"""Parting from clients without breaking what they are about to say."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


class Farewell:
    """Once the process leaves, asks every client to close its connection with the answer that it gets.

    Clients keep connections, and a server that closes one cannot know whether a request is on its way to it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._is_leaving = False

    def begin(self) -> None:
        """Ask from now on."""
        self._is_leaving = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        await self._app(scope, receive, send_last if self._is_leaving else send)
