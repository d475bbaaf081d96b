"""The door: who may ask over HTTP."""

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from alerthistory_common.interceptors import ANONYMOUS, Authenticator

_CALLER = "alerthistory.caller"


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
            scope[_CALLER] = caller
        await self._app(scope, receive, send)


def caller_of(scope: Scope) -> str:
    """Return the name of who proved to be somebody; empty for all others."""
    caller: str = scope.get(_CALLER, ANONYMOUS)
    return "" if caller == ANONYMOUS else caller
