"""``/api/v2/alerts``: what Prometheus posts to an Alertmanager, answered as Alertmanager 0.25 does."""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from alerthistory.ingest.v1.ingest_service_pb2 import PAYLOAD_FORMAT_PROMETHEUS, PayloadResult
from alerthistory_gateway.admission import Admission
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.intake import Intake
from alerthistory_gateway.legacy.rendering import json_answer
from alerthistory_gateway.routes.webhook import sender_of

_PATH = "/api/v2/alerts"
_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(f"{_WORD}(?:/{_WORD})?")


class AlertmanagerApi:
    """Takes alerts the way an Alertmanager does, with and without a slash at the end: a redirect would lose them."""

    def __init__(self, *, intake: Intake, admission: Admission, bodies: BodyReader) -> None:
        self._intake = intake
        self._admission = admission
        self._bodies = bodies

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [Route(path, self.serve, methods=_METHODS) for path in (_PATH, _PATH + "/")]

    async def serve(self, request: Request) -> Response:
        """Store the alerts of one POST; refuse other methods in Alertmanager's words."""
        if request.method != "POST":
            message = f"method {request.method} is not allowed, but [POST] are"
            return _refused(405, 405, message, headers={"allow": "POST"})
        with self._admission.admit() as ticket:
            body = await self._bodies.read(request, on_bytes=ticket.grow)
            if not body.strip(b" \t\r\n"):
                return _refused(422, 602, "alerts in body is required")
            if problem := _media_type_problem(request.headers.get("content-type", "application/octet-stream")):
                return problem
            result = await self._intake.take(body, form=PAYLOAD_FORMAT_PROMETHEUS, sender=sender_of(request))
        return _answer(result)


def _answer(result: PayloadResult) -> Response:
    if result.rejection:
        return _refused(400, 400, f'parsing alerts body from "" failed, because {result.rejection}')
    if result.refused_count:
        return json_answer("; ".join(error.message for error in result.errors), status=400)
    return Response(b"")


def _media_type_problem(content_type: str) -> Response | None:
    media_type = content_type.partition(";")[0].strip().lower()
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        problem = "expected slash after first token" if media_type else "no media type"
        return _refused(400, 400, f'parsing Content-Type header from "{content_type}" failed, because mime: {problem}')
    if media_type != "application/json":
        message = f'unsupported media type "{media_type}", only [application/json] are allowed'
        return _refused(415, 415, message)
    return None


def _refused(status: int, code: int, message: str, *, headers: dict[str, str] | None = None) -> Response:
    return json_answer({"code": code, "message": message}, status=status, headers=headers)
