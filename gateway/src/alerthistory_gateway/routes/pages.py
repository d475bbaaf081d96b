"""The web page and its files."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.web import static

_DASHBOARDS = ("", "/modern", "/publishing", "/targets", "/llm-metrics", "/grouped")


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

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        page = static("page.html")
        return [
            _BrowserRoute("GET", "/", page),
            *(ExactRoute("GET", f"/dashboard{name}", page) for name in _DASHBOARDS),
            *(ExactRoute("GET", f"/assets/{name}", static(name)) for name in ("page.css", "page.js", "icon.svg")),
        ]
