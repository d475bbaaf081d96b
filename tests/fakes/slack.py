"""Slack: incoming webhooks and ``chat.postMessage``, as documented: https://docs.slack.dev/apis/web-api/rate-limits.

A channel takes a message per second, and a few more at once; what exceeds that is refused with 429 and ``Retry-After``
in whole seconds. Who asks again before these are over is remembered. There is no idempotency: what comes twice is there
twice.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.fakes.provider import Request, Response
from tests.fakes.slack_blocks import problem_of, words

WEBHOOK = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
POST_MESSAGE = "/api/chat.postMessage"
TOKEN = "xoxb-fake-token"
CHANNEL = "C0123456789"
ARCHIVED, PROHIBITED, NO_CHANNEL = (f"/services/T00000000/{name}/X" for name in ("ARCHIVED", "PROHIBITED", "GONE"))
_WRONG_WEBHOOKS = {
    ARCHIVED: (410, "channel_is_archived"),
    PROHIBITED: (403, "action_prohibited"),
    NO_CHANNEL: (404, "channel_not_found"),
}
_WEBHOOKS = "/services/"
_MAX_TEXT = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that was posted: its channel, its identity there, the one that it answers, and all of its words."""

    channel: str
    ts: str
    thread_ts: str = ""
    key: str = ""
    words: str = field(default="", repr=False)


@dataclass(slots=True, kw_only=True)
class SlackModel:
    """What was posted, in order; how often that was too fast, and how often although a pause was asked for."""

    messages: list[Message] = field(default_factory=list)
    throttled: int = 0
    violations: list[float] = field(default_factory=list)
    """How long before its end somebody did not keep a pause, in seconds."""
    invalid: list[str] = field(default_factory=list)


class Slack:
    """The fake: each channel takes *per_second* messages, and *burst* at once."""

    def __init__(self, *, per_second: float = 1.0, burst: int = 3) -> None:
        self._per_second = per_second
        self._burst = burst
        self._model = SlackModel()
        self._paces: dict[str, _Pace] = {}

    def model(self) -> SlackModel:
        """Return a copy of the state."""
        found = asdict(self._model)
        return SlackModel(**(found | {"messages": [Message(**each) for each in found["messages"]]}))

    def answer(self, request: Request) -> Response:
        """Return what the provider says."""
        if request.method == "POST" and request.path == POST_MESSAGE:
            return self._post_message(request)
        if request.method == "POST" and request.path.startswith(_WEBHOOKS):
            return self._webhook(request)
        return Response(status=404, body="no_team")

    def _webhook(self, request: Request) -> Response:
        if request.path != WEBHOOK:
            status, text = _WRONG_WEBHOOKS.get(request.path, (404, "no_service"))
            return Response(status=status, body=text)
        if wait_s := self._wait(WEBHOOK, request.at):
            return Response(status=429, body="rate_limited", headers={"Retry-After": str(wait_s)})
        message = request.document
        problem = problem_of(message) if isinstance(message, dict) else "invalid_payload"
        if problem:
            self._model.invalid.append(problem)
            return Response(status=400, body=problem)
        self._post(WEBHOOK, message, request)
        return Response(status=200, body="ok")

    def _post_message(self, request: Request) -> Response:
        message = request.document
        if problem := self._problem(request, message):
            self._model.invalid.append(problem)
            return Response(status=200, body={"ok": False, "error": problem}, is_refusal=True)
        channel = message["channel"]
        if wait_s := self._wait(channel, request.at):
            return Response(
                status=429, body={"ok": False, "error": "ratelimited"}, headers={"Retry-After": str(wait_s)}
            )
        posted = self._post(channel, message, request)
        return Response(
            status=200, body={"ok": True, "channel": channel, "ts": posted.ts, "message": {"ts": posted.ts}}
        )

    def _problem(self, request: Request, message: Any) -> str:
        authorization = request.headers.get("authorization", "")
        if not authorization:
            return "not_authed"
        if authorization != f"Bearer {TOKEN}":
            return "invalid_auth"
        if not isinstance(message, dict):
            return "invalid_json"
        if message.get("channel") != CHANNEL:
            return "channel_not_found"
        thread = message.get("thread_ts")
        if thread and not any(each.ts == thread and each.channel == CHANNEL for each in self._model.messages):
            return "thread_not_found"
        return problem_of(message)

    def _wait(self, channel: str, now: float) -> int:
        """Return how many seconds are to be waited; 0 when the message is taken."""
        pace = self._paces.setdefault(channel, _Pace(self._per_second, self._burst, now))
        if now < pace.paused_until:
            self._model.violations.append(round(pace.paused_until - now, 3))
            self._model.throttled += 1
            return math.ceil(pace.paused_until - now)
        if pace.takes(now):
            return 0
        self._model.throttled += 1
        wait_s = max(1, math.ceil(1 / self._per_second))
        pace.paused_until = now + wait_s
        return wait_s

    def _post(self, channel: str, message: dict[str, Any], request: Request) -> Message:
        posted = Message(
            channel=channel,
            ts=f"1760000000.{len(self._model.messages):06}",
            thread_ts=message.get("thread_ts") or "",
            key=request.headers.get("webhook-id", ""),
            words=words(message)[:_MAX_TEXT],
        )
        self._model.messages.append(posted)
        return posted


class _Pace:
    """What a channel takes: a bucket that fills."""

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self.paused_until = 0.0
        self._per_second = per_second
        self._burst = burst
        self._left = float(burst)
        self._at = now

    def takes(self, now: float) -> bool:
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
