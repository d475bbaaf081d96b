"""The door: who may ask over HTTP."""

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from alerthistory_common.interceptors import Authenticator


class Authentication:
    """Lets nobody pass to *app* whom the authenticator does not know, except to the *public* paths."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, *, public: frozenset[str]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises UnauthenticatedError."""
        if scope["path"] not in self._public:
            caller = self._authenticator.authenticate(dict(Headers(scope=scope)))
            structlog.contextvars.bind_contextvars(caller=caller)
        await self._app(scope, receive, send)
