"""The OpenAPI document, and the two pages that show it."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory_gateway.legacy.rendering import json_text
from alerthistory_gateway.legacy.routing import Endpoint, ExactRoute
from alerthistory_gateway.openapi import document
from alerthistory_gateway.web import static

# Both pages draw icons from data: URLs. Scripts, and everything that is fetched, are ours alone.
_ICONS = {"img-src": "'self' data:"}
# ReDoc writes its styles into the page. No text of a stranger is in it.
_STYLED = {**_ICONS, "style-src": "'self' 'unsafe-inline'"}
_ASSETS = {
    "swagger-ui.js": "vendor/swagger-ui/swagger-ui-bundle.js",
    "swagger-ui.css": "vendor/swagger-ui/swagger-ui.css",
    "oauth2-redirect.js": "vendor/swagger-ui/oauth2-redirect.js",
    "redoc.js": "vendor/redoc/redoc.standalone.js",
    "docs-start.js": "docs-start.js",
    "redoc-start.js": "redoc-start.js",
    "docs.css": "docs.css",
}


class Documentation:
    """Serves the document, Swagger UI, ReDoc and their files; nothing is loaded from elsewhere."""

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [
            ExactRoute("GET", "/api/openapi.json", _answer(json_text(document())), has_head=True),
            ExactRoute("GET", "/api/docs", static("docs.html", _ICONS), has_head=True),
            ExactRoute("GET", "/docs/oauth2-redirect", static("oauth2-redirect.html"), has_head=True),
            ExactRoute("GET", "/api/redoc", static("redoc.html", _STYLED), has_head=True),
            *(ExactRoute("GET", f"/assets/{name}", static(file)) for name, file in _ASSETS.items()),
        ]


def _answer(content: bytes) -> Endpoint:
    async def get(_: Request) -> Response:
        return Response(content, media_type="application/json")

    return get
