"""Cross-origin requests: every page of every site may ask, as it always could."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class Cors:
    """Answers preflights and adds headers to what *app* answers. Newer starlettes vary more than the contract does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(origin, headers)(scope, receive, send)
        else:
            await self._app(scope, receive, _adding(send, origin, has_cookie="cookie" in headers))


def _preflight(origin: str, request: Headers) -> Response:
    headers = {
        "vary": "Origin",
        "access-control-allow-methods": ", ".join(_METHODS),
        "access-control-max-age": "600",
        "access-control-allow-credentials": "true",
        "access-control-allow-origin": origin,
    }
    asked = request.get("access-control-request-headers")
    if asked is not None:
        headers["access-control-allow-headers"] = asked
    if request["access-control-request-method"] not in _METHODS:
        return PlainTextResponse("Disallowed CORS method", status_code=400, headers=headers)
    return PlainTextResponse("OK", headers=headers)


def _adding(send: Send, origin: str, *, has_cookie: bool) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["access-control-allow-origin"] = origin if has_cookie else "*"
            headers["access-control-allow-credentials"] = "true"
            if has_cookie:
                headers.add_vary_header("Origin")
        await send(message)

    return send_with_headers
