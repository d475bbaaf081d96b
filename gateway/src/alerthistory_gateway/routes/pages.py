"""The web page and its two files."""

from collections.abc import Sequence
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from alerthistory_gateway.legacy.routing import Endpoint, ExactRoute

_DASHBOARDS = ("", "/modern", "/publishing", "/targets", "/llm-metrics", "/grouped")
_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class _BrowserRoute(ExactRoute):
    """Matches only who asks for HTML: to every other client the path does not exist, as it never did."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a GET of a browser."""
        accepts = b",".join(value for key, value in scope.get("headers", ()) if key == b"accept")
        if scope.get("method") != "GET" or b"text/html" not in accepts:
            return Match.NONE, {}
        return super().matches(scope)


class Pages:
    """Serves the page under ``/`` to browsers, and under the legacy dashboard paths to all."""

    def __init__(self) -> None:
        self._files = {name: _file(name) for name in ("page.html", "page.css", "page.js")}

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        page = self._endpoint("page.html")
        return [
            _BrowserRoute("GET", "/", page),
            *(ExactRoute("GET", f"/dashboard{name}", page) for name in _DASHBOARDS),
            ExactRoute("GET", "/assets/page.css", self._endpoint("page.css")),
            ExactRoute("GET", "/assets/page.js", self._endpoint("page.js")),
        ]

    def _endpoint(self, name: str) -> Endpoint:
        content, media_type = self._files[name], _MEDIA_TYPES[name.rpartition(".")[2]]

        async def get(_: Request) -> Response:
            return Response(content, headers=_HEADERS, media_type=media_type)

        return get


def _file(name: str) -> bytes:
    return files("alerthistory_gateway.web").joinpath(name).read_bytes()
