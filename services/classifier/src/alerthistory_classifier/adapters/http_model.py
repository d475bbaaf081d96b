"""A language model behind an OpenAI-compatible interface: LiteLLM, vLLM, Ollama, and what speaks like them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import structlog
from opentelemetry.trace import SpanKind
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from alerthistory_classifier.domain import forms
from alerthistory_classifier.domain.forms import Form
from alerthistory_classifier.domain.opinion import Opinion, UnusableAnswerError, Usage, read_opinion
from alerthistory_classifier.domain.question import Question
from alerthistory_classifier.metrics import ModelMetrics
from alerthistory_classifier.ports import ModelUnavailableError
from alerthistory_common.clock import Clock
from alerthistory_common.retry_after import pause_of, pause_of_ms
from alerthistory_common.telemetry import Telemetry

_LOG = structlog.get_logger(__name__)
_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_TOKENS = 1_000
_TEMPERATURE = 0.1
_CONNECT_S = 3.0
_WORTH_ANOTHER_TRY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_UNDERSTOOD_NOTHING = frozenset({400, 404, 415, 422, 501})
_TOO_LONG = ("context_length", "context length", "context window", "too many tokens", "prompt is too long")
_LEGACY_AGENT = "AlertHistory-LLM/1.0"
_LEGACY_KEY_HEADER = "x-litellm-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRules:
    """How a model is asked. *form* None: the first form that it understands. *key* gives the API key, "" for none."""

    url: str
    model: str
    form: Form | None = None
    key: Callable[[], str] = str
    attempts: int = 3
    read_timeout_s: float = 10.0
    timeout_s: float = 20.0


class _FailedError(ModelUnavailableError):
    """One try failed. *status* is 0 when no answer came."""

    def __init__(self, message: str, *, status: int = 0, said: str = "", retry_after: timedelta = timedelta(0)) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status
        self.said = said

    @property
    def is_worth_another_try(self) -> bool:
        return not self.status or self.status == 200 or self.status in _WORTH_ANOTHER_TRY

    @property
    def is_too_long(self) -> bool:
        return self.status in {400, 413} and any(words in self.said for words in _TOO_LONG)


class HttpModel:
    """The port ``LanguageModel`` over httpx."""

    def __init__(
        self, client: httpx.AsyncClient, rules: ModelRules, *, telemetry: Telemetry, clock: Clock, metrics: ModelMetrics
    ) -> None:
        self._client = client
        self._rules = rules
        self._telemetry = telemetry
        self._clock = clock
        self._metrics = metrics
        self._form = rules.form
        self._unwanted: set[str] = set()
        self.name = rules.model
        self.url = str(httpx.URL(rules.url).copy_with(username=None, password=None)).rstrip("/")

    async def ask(self, question: Question) -> Opinion:
        """Return what the model says; it may be asked several times, all in all within the limit.

        Raises ModelUnavailableError when it cannot be had, UnusableAnswerError when it says nothing usable.
        """
        started = time.perf_counter()
        with self._telemetry.span(
            "ask model",
            kind=SpanKind.CLIENT,
            attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": self.name},
        ):
            try:
                async with asyncio.timeout(self._rules.timeout_s):
                    opinion = await self._patiently(question)
            except TimeoutError as error:
                self._metrics.answered("timeout", time.perf_counter() - started)
                raise ModelUnavailableError(f"no answer within {self._rules.timeout_s:g} s") from error
            except ModelUnavailableError:
                self._metrics.answered("failed", time.perf_counter() - started)
                raise
            except UnusableAnswerError:
                self._metrics.answered("unusable", time.perf_counter() - started)
                raise
        self._metrics.answered("good", time.perf_counter() - started)
        return opinion

    async def _patiently(self, question: Question) -> Opinion:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._rules.attempts),
            retry=retry_if_exception(self._is_worth_another_try),
            wait=_pause,
            reraise=True,
            sleep=asyncio.sleep,
        )
        opinion: Opinion = await retrying(self._in_some_form, question)
        return opinion

    def _is_worth_another_try(self, error: BaseException) -> bool:
        if not isinstance(error, _FailedError) or not error.is_worth_another_try:
            return False
        return error.retry_after.total_seconds() < self._rules.timeout_s / 2

    async def _in_some_form(self, question: Question) -> Opinion:
        """Ask in the form that is known to work, else in one after the other."""
        candidates = [self._form] if self._form else list(Form)
        for form in candidates:
            try:
                opinion = await self._in_form(form, question)
            except _FailedError as error:
                if error.status not in _UNDERSTOOD_NOTHING or form is candidates[-1]:
                    raise
            except UnusableAnswerError:
                if form is candidates[-1]:
                    raise
            else:
                if self._form is None:
                    _LOG.info("the model answers", model=self.name, form=form.value)
                self._form = form
                return opinion
        raise AssertionError("there is a last form")

    async def _in_form(self, form: Form, question: Question) -> Opinion:
        try:
            return await self._once(form, question)
        except _FailedError as error:
            if error.is_too_long:
                return await self._once(form, question.shrunk())
            if error.status == 400 and (unwanted := self._named_in(error.said)):
                self._unwanted.add(unwanted)
                return await self._once(form, question)
            raise

    def _named_in(self, said: str) -> str:
        """Return the optional parameter that a refusal speaks of, which some models do without."""
        named = (name for name in ("temperature", "max_tokens") if name in said and name not in self._unwanted)
        return next(named, "")

    async def _once(self, form: Form, question: Question) -> Opinion:
        body = forms.request(form, question, model=self.name, temperature=_TEMPERATURE, max_tokens=_MAX_TOKENS)
        for name in self._unwanted:
            del body[name]
        content = await self._post(json.dumps(body).encode(), self._headers(form))
        usage = _usage(content.get("usage"))
        self._metrics.spent(usage)
        try:
            return read_opinion(forms.answer(form, content), usage)
        except UnusableAnswerError as error:
            error.usage = usage
            raise

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Mapping[str, Any]:
        self._metrics.requests.inc()
        try:
            async with self._client.stream(
                "POST", f"{self.url}/v1/chat/completions", content=body, headers=headers
            ) as response:
                content = await _read(response)
        except httpx.TimeoutException as error:
            raise _FailedError(f"the model's proxy took too long ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _FailedError(f"the model's proxy cannot be reached ({type(error).__name__})") from error
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response, content)
        return _object(response, content)

    def _refusal(self, response: httpx.Response, content: bytes) -> _FailedError:
        headers = response.headers
        pause = pause_of_ms(headers.get("retry-after-ms", "")) or pause_of(
            headers.get("retry-after", ""), now=self._clock.now()
        )
        return _FailedError(
            f"the model's proxy answers {response.status_code}",
            status=response.status_code,
            said=content[:2000].decode("utf-8", "replace").lower(),
            retry_after=pause,
        )

    def _headers(self, form: Form) -> dict[str, str]:
        key = self._rules.key()
        headers = {"Content-Type": "application/json", "User-Agent": _LEGACY_AGENT}
        if not key:
            return headers
        # The older service's proxies look at a header of their own.
        return {
            **headers,
            **({_LEGACY_KEY_HEADER: key} if form is Form.FUNCTIONS else {"Authorization": f"Bearer {key}"}),
        }


@asynccontextmanager
async def open_model(
    rules: ModelRules, *, telemetry: Telemetry, clock: Clock, metrics: ModelMetrics
) -> AsyncIterator[HttpModel]:
    """Yield a model; leaving closes its connections."""
    async with httpx.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(rules.read_timeout_s, connect=_CONNECT_S),
        # A proxy that was restarted leaves dead connections behind.
        limits=httpx.Limits(keepalive_expiry=30),
    ) as client:
        yield HttpModel(client, rules, telemetry=telemetry, clock=clock, metrics=metrics)


_jitter = wait_random_exponential(multiplier=0.5, max=4)


def _pause(state: RetryCallState) -> float:
    """Return the seconds before the next try: those that were asked for, or some that grow, by chance."""
    error = state.outcome.exception() if state.outcome else None
    wanted_s = error.retry_after.total_seconds() if isinstance(error, ModelUnavailableError) else 0.0
    return max(wanted_s, _jitter(state))


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _MAX_ANSWER_BYTES:
            raise _FailedError("the model's proxy answers without end")
    return bytes(content)


def _object(response: httpx.Response, content: bytes) -> Mapping[str, Any]:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.endswith(("/json", "+json")):
        raise _FailedError(f"the model's proxy answers with {kind[:50] or 'something'}, not with JSON", status=200)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _FailedError("the model's proxy answers with broken JSON", status=200) from error
    if not isinstance(found, dict):
        raise _FailedError("the model's proxy answers with something else than an object", status=200)
    return found


def _usage(found: Any) -> Usage:
    """Return the tokens that were counted; what is no sensible number counts as none."""
    counts = found if isinstance(found, dict) else {}
    return Usage(**{name: _count(counts.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")})


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0
