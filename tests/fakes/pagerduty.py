"""PagerDuty's Events API v2, as documented: https://developer.pagerduty.com/docs/events-api-v2-overview.

Alerts are open by integration key and dedup key. A trigger attaches to the open alert, or opens a new one; a resolve
without an open alert is dropped, silently. What comes too often is refused with 429, and not kept.
"""

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from tests.fakes.provider import Request, Response

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
PATH = "/v2/enqueue"
MAX_BYTES = 512 * 1024
_SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = ("trigger", "acknowledge", "resolve")


@dataclass(slots=True, kw_only=True)
class Incident:
    """One alert that was opened, with the summary of the trigger that opened it."""

    routing_key: str
    dedup_key: str
    summary: str
    triggers: int = 1
    is_open: bool = True


@dataclass(slots=True, kw_only=True)
class PagerDutyModel:
    """Every incident in the order of opening, and how many events were dropped, throttled or invalid."""

    incidents: list[Incident] = field(default_factory=list)
    dropped: int = 0
    throttled: int = 0
    invalid: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[Incident]:
        """The incidents that are open."""
        return [each for each in self.incidents if each.is_open]

    def zombies(self, firing: set[str]) -> list[Incident]:
        """Return what is open although its key is none of those *firing*."""
        return [each for each in self.open if each.dedup_key not in firing]

    def doubles(self, episodes: Counter[str]) -> list[str]:
        """Return the keys of which more incidents were opened than there were *episodes*."""
        opened = Counter(each.dedup_key for each in self.incidents)
        return [key for key, count in opened.items() if count > episodes[key]]


class PagerDuty:
    """The fake: *limit* events per *window_s* and integration key, over a sliding window."""

    def __init__(self, *, limit: int = 120, window_s: float = 60.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._model = PagerDutyModel()
        self._open: dict[tuple[str, str], Incident] = {}
        self._taken: dict[str, deque[float]] = {}

    def model(self) -> PagerDutyModel:
        """Return a copy of the state."""
        found = asdict(self._model)
        return PagerDutyModel(**(found | {"incidents": [Incident(**each) for each in found["incidents"]]}))

    def answer(self, request: Request) -> Response:
        """Return what the provider says."""
        if request.path != PATH:
            return Response(status=404)
        if request.method != "POST":
            return Response(status=405)
        event = request.document
        if problems := problems_of(event, size=len(request.body)):
            self._model.invalid += problems
            return _said(400, status="invalid event", message="Event object is invalid", errors=problems)
        if not self._takes(event["routing_key"], request.at):
            self._model.throttled += 1
            return _said(429, status="throttle exceeded", message="Requests for this service are too frequent.")
        key = event.get("dedup_key") or uuid4().hex
        self._handle(event, key)
        return _said(202, status="success", message="Event processed", dedup_key=key)

    def _takes(self, routing_key: str, now: float) -> bool:
        taken = self._taken.setdefault(routing_key, deque())
        while taken and taken[0] <= now - self._window_s:
            taken.popleft()
        if len(taken) >= self._limit:
            return False
        taken.append(now)
        return True

    def _handle(self, event: dict[str, Any], key: str) -> None:
        place = event["routing_key"], key
        found = self._open.get(place)
        match event["event_action"]:
            case "trigger" if found is not None:
                found.triggers += 1
            case "trigger":
                opened = Incident(routing_key=place[0], dedup_key=key, summary=event["payload"]["summary"])
                self._open[place] = opened
                self._model.incidents.append(opened)
            case _ if found is None:
                self._model.dropped += 1
            case "resolve":
                self._open.pop(place).is_open = False


def problems_of(event: Any, *, size: int) -> list[str]:
    """Return what is wrong with *event*, whose body has *size* bytes."""
    if size > MAX_BYTES:
        return ["Event exceeds the maximum size of 512 KB"]
    if not isinstance(event, dict):
        return ["Invalid JSON"]
    problems = []
    if not (isinstance(key := event.get("routing_key"), str) and len(key) == 32 and key.isalnum()):
        problems.append("'routing_key' is missing or invalid")
    if event.get("event_action") not in _ACTIONS:
        problems.append(f"'event_action' must be one of {', '.join(_ACTIONS)}")
    dedup_key = event.get("dedup_key")
    if not (dedup_key is None or (isinstance(dedup_key, str) and len(dedup_key) <= 255)):
        problems.append("'dedup_key' must be a text of at most 255 characters")
    if event.get("event_action") == "trigger":
        problems += _payload_problems(event.get("payload"))
    elif not dedup_key:
        problems.append("'dedup_key' is missing or blank")
    return problems


def _payload_problems(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    problems = [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
    if len(str(payload.get("summary", ""))) > 1024:
        problems.append("'payload.summary' must have at most 1024 characters")
    if payload.get("severity") not in _SEVERITIES:
        problems.append(f"'payload.severity' must be one of {', '.join(_SEVERITIES)}")
    return problems


def _said(code: int, **content: Any) -> Response:
    return Response(status=code, body=content)
