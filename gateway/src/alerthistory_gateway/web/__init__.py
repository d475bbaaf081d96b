"""The web pages: static files, kept as package data, and the headers that keep browsers strict about them."""

from collections.abc import Mapping
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from alerthistory_gateway.legacy.routing import Endpoint

_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def static(name: str, policy: Mapping[str, str] | None = None) -> Endpoint:
    """Return an endpoint that serves the file *name* of this package; *policy* replaces parts of the strict policy."""
    content, media_type = files(__name__).joinpath(name).read_bytes(), _MEDIA_TYPES[name.rpartition(".")[2]]
    headers = {
        "content-security-policy": "; ".join(f"{key} {value}" for key, value in {**_POLICY, **(policy or {})}.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }

    async def get(_: Request) -> Response:
        return Response(content, headers=headers, media_type=media_type)

    return get
