"""Refusing webhooks before anything else is done, while too many are in hand.

A refusal at its endpoint costs twice as much: time that those who were let in need.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from alerthistory_gateway.admission import Admission, OverloadedError
from alerthistory_gateway.errors import answer_for
from alerthistory_gateway.metrics import GatewayMetrics


class Shedding:
    """Answers posts to *paths* with 503 while *admission* is full, and lets *app* answer all else.

    Browsers, which tell their origin, get their answer with the headers that they want, from *app*.
    """

    def __init__(self, app: ASGIApp, admission: Admission, metrics: GatewayMetrics, *, paths: frozenset[str]) -> None:
        self._app = app
        self._admission = admission
        answer = answer_for(OverloadedError.of_requests())
        self._start = {"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers}
        self._body = {"type": "http.response.body", "body": bytes(answer.body)}
        self._refused = {path: metrics.requests.labels(path, "POST", str(answer.status_code)) for path in paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not self._admission.is_full or not self._is_webhook(scope):
            await self._app(scope, receive, send)
            return
        self._refused[scope["path"]].inc()
        await send(self._start)
        await send(self._body)

    def _is_webhook(self, scope: Scope) -> bool:
        return (
            scope["path"] in self._refused
            and scope["method"] == "POST"
            and not any(name == b"origin" for name, _ in scope["headers"])
        )
