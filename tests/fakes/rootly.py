"""Rootly's alerts and incidents, as documented: https://docs.rootly.com/api-reference/alerts/create-an-alert.

Alerts that share a deduplication key are one while it is open. A list can be filtered by ``filter[status]``,
``filter[source]`` and a few more, and by nothing else: there is no documented filter by ``external_id``, and what is
not known is ignored, as here, unless the fake is told to know it. Every answer says how many calls are left.
"""

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from tests.fakes.provider import Request, Response

ALERTS = "/v1/alerts"
INCIDENTS = "/v1/incidents"
TOKEN = "rootly-fake-token"
_MEDIA_TYPE = "application/vnd.api+json"
_SOURCES = frozenset({"alertmanager", "api", "generic_webhook", "grafana", "heartbeat", "manual", "rootly", "web"})
_PAGE = 20


@dataclass(slots=True, kw_only=True)
class RootlyAlert:
    """One alert; ``reports`` counts how often it was posted."""

    id: str
    summary: str
    source: str
    status: str = "open"
    external_id: str = ""
    deduplication_key: str = ""
    reports: int = 1

    @property
    def is_open(self) -> bool:
        """Whether it is not resolved."""
        return self.status != "resolved"


@dataclass(slots=True, kw_only=True)
class RootlyModel:
    """Every alert in the order of creation, what was posted as incidents, and how many calls were refused."""

    alerts: list[RootlyAlert] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    unknown: int = 0
    throttled: int = 0
    invalid: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[RootlyAlert]:
        """The alerts that are not resolved."""
        return [each for each in self.alerts if each.is_open]


class Rootly:
    """The fake: *limit* calls per *window_s*; with *finds_by_external_id* lists can be filtered by it."""

    def __init__(self, *, limit: int = 3000, window_s: float = 60.0, finds_by_external_id: bool = False) -> None:
        self._limit = limit
        self._window_s = window_s
        self._filters = ("status", "source", *(("external_id",) if finds_by_external_id else ()))
        self._model = RootlyModel()
        self._calls: deque[float] = deque()

    def model(self) -> RootlyModel:
        """Return a copy of the state."""
        found = asdict(self._model)
        return RootlyModel(**(found | {"alerts": [RootlyAlert(**each) for each in found["alerts"]]}))

    def answer(self, request: Request) -> Response:
        """Return what the provider says."""
        while self._calls and self._calls[0] <= request.at - self._window_s:
            self._calls.popleft()
        is_too_much = len(self._calls) >= self._limit
        if not is_too_much:
            self._calls.append(request.at)
        since = self._calls[0] if self._calls else request.at
        headers = {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(self._limit - len(self._calls)),
            "X-RateLimit-Used": str(len(self._calls)),
            "X-RateLimit-Reset": str(max(0, round(since + self._window_s - request.at))),
        }
        if is_too_much:
            self._model.throttled += 1
            return Response(status=429, body={"error": "Rate limit exceeded. Try again later."}, headers=headers)
        answer = self._answer(request)
        return Response(status=answer.status, body=answer.body, headers={"Content-Type": _MEDIA_TYPE, **headers})

    def _answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _errors(401, "Invalid token")
        match request.method, request.path.removeprefix(ALERTS).strip("/").split("/"):
            case "POST", [""] if request.path == ALERTS:
                return self._create(request)
            case "GET", [""] if request.path == ALERTS:
                return self._list(request)
            case "GET", [identity]:
                return self._change(identity, "")
            case "POST", [identity, "resolve"]:
                return self._change(identity, "resolved")
            case "POST", [identity, "acknowledge"]:
                return self._change(identity, "acknowledged")
            case "POST", _ if request.path == INCIDENTS:
                return self._incident(request)
        return _errors(404, "Not found")

    def _incident(self, request: Request) -> Response:
        document = request.document
        if not isinstance(document, dict):
            return self._refuse("the body is no JSON object")
        self._model.incidents.append(document)
        return Response(status=201, body={"data": {"id": str(uuid4()), "type": "incidents"}})

    def _create(self, request: Request) -> Response:
        document = request.document
        data = document.get("data") if isinstance(document, dict) else None
        attributes = data.get("attributes") if isinstance(data, dict) else None
        if not isinstance(attributes, dict) or data is None or data.get("type") != "alerts":
            return self._refuse("data.type must be alerts, with attributes")
        if attributes.get("source") not in _SOURCES:
            return self._refuse("source is not included in the list")
        if not attributes.get("summary"):
            return self._refuse("summary can't be blank")
        if attributes.get("status", "open") not in ("open", "triggered"):
            return self._refuse("status is not included in the list")
        key = attributes.get("deduplication_key") or ""
        if key and (found := next((each for each in self._model.open if each.deduplication_key == key), None)):
            found.reports += 1
            return Response(status=201, body={"data": _resource(found)})
        made = RootlyAlert(
            id=str(uuid4()),
            summary=attributes["summary"],
            source=attributes["source"],
            status=attributes.get("status", "open"),
            external_id=attributes.get("external_id") or "",
            deduplication_key=key,
        )
        self._model.alerts.append(made)
        return Response(status=201, body={"data": _resource(made)})

    def _list(self, request: Request) -> Response:
        wanted = {name: value for name in self._filters if (value := request.query.get(f"filter[{name}]")) is not None}
        found = [
            each
            for each in reversed(self._model.alerts)
            if all(getattr(each, name) == value for name, value in wanted.items())
        ]
        size = min(int(request.query.get("page[size]", _PAGE)), _PAGE)
        begin = (int(request.query.get("page[number]", "1")) - 1) * size
        page = [_resource(each) for each in found[begin : begin + size]]
        return Response(status=200, body={"data": page, "meta": {"total_count": len(found)}})

    def _change(self, identity: str, status: str) -> Response:
        found = next((each for each in self._model.alerts if each.id == identity), None)
        if found is None:
            self._model.unknown += 1
            return _errors(404, "Not found")
        if status and found.is_open:
            found.status = status
        return Response(status=200, body={"data": _resource(found)})

    def _refuse(self, problem: str) -> Response:
        self._model.invalid.append(problem)
        return _errors(422, problem)


def _resource(alert: RootlyAlert) -> dict[str, Any]:
    attributes = asdict(alert)
    return {"id": attributes.pop("id"), "type": "alerts", "attributes": attributes}


def _errors(status: int, title: str) -> Response:
    return Response(status=status, body={"errors": [{"title": title, "status": str(status)}]})
