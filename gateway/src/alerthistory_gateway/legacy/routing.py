"""Routing as the legacy interface does it: exact paths, 307 before methods, and one method in ``allow``."""

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import Receive, Scope, Send

from alerthistory_gateway.legacy.rendering import refusal

Endpoint = Callable[[Request], Awaitable[Response]]
_KEPT = ":/%#?=@[]!$&'()*+,;"


class ExactRoute(Route):
    """One method on one path. GET does not imply HEAD, unless *has_head* says so."""

    def __init__(self, method: str, path: str, endpoint: Endpoint, *, has_head: bool = False) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.methods = {method, "HEAD"} if has_head else {method}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say which method this route has."""
        if scope["method"] in (self.methods or ()):
            await self.app(scope, receive, send)
            return
        answer = refusal(405, "Method Not Allowed", headers={"allow": ", ".join(sorted(self.methods or ()))})
        await answer(scope, receive, send)


class LegacyRouter(Router):
    """Takes the first route that matches; for a path without any, looks for the one with or without its slash."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        super().__init__(routes, redirect_slashes=False, default=self._other_slash)

    async def _other_slash(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        other = path.rstrip("/") if path.endswith("/") else path + "/"
        is_known = path != "/" and any(
            route.matches({**scope, "path": other})[0] is not Match.NONE for route in self.routes
        )
        answer = _redirect(scope, other) if is_known else refusal(404, "Not Found")
        await answer(scope, receive, send)


def _redirect(scope: Scope, path: str) -> Response:
    host = next((value for key, value in scope["headers"] if key == b"host"), b"").decode("latin-1")
    if not host:
        host = ":".join(str(part) for part in scope.get("server") or ("localhost",))
    query = scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{host}{path}" + (f"?{query}" if query else "")
    return Response(status_code=307, headers={"location": quote(url, safe=_KEPT)})
