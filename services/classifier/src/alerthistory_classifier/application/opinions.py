"""Asking the language model: once for what alerts have in common, not more than it can take, and not for ever."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from alerthistory_classifier.application.tallying import Tallying
from alerthistory_classifier.domain.opinion import Opinion, UnusableAnswerError, Usage
from alerthistory_classifier.domain.question import Question
from alerthistory_classifier.metrics import ModelMetrics
from alerthistory_classifier.ports import LanguageModel, ModelUnavailableError
from alerthistory_common.breaker import Breaker, BreakerState
from alerthistory_common.cache import Cache, Codec, open_cache
from alerthistory_common.redis import RedisLink

_LOG = structlog.get_logger(__name__)
Reason: TypeAlias = Literal["failed", "unusable", "busy", "breaker", "budget", "injection", "late"]
_SOON_OVER: frozenset[Reason] = frozenset({"busy", "breaker", "budget"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOpinion:
    """The model has none, and why. ``text`` is what the older service would say of it."""

    reason: Reason
    text: str = ""


Answer: TypeAlias = Opinion | NoOpinion


class Told(NamedTuple):
    """What the model thinks of one alert, and whether it was asked about this one."""

    answer: Answer
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionRules:
    """*concurrency* questions are before the model at a time, and *queue* more may wait for their turn.

    Opinions are kept for *ttl_s*, failures for *failure_ttl_s*: their like is not asked about again so soon. *claim_s*
    is how long other replicas wait for an answer to the same question.
    """

    concurrency: int
    queue: int
    ttl_s: float
    failure_ttl_s: float
    max_items: int
    claim_s: float


class Opinions:
    """What the model thinks; made by ``open_opinions``."""

    def __init__(
        self,
        model: LanguageModel,
        cache: Cache[Answer],
        rules: OpinionRules,
        *,
        breaker: Breaker,
        tallying: Tallying,
        metrics: ModelMetrics,
    ) -> None:
        self.model = model
        self._cache = cache
        self._rules = rules
        self._turns = asyncio.Semaphore(rules.concurrency)
        self._asking = 0
        self._breaker = breaker
        self._tallying = tallying
        self._metrics = metrics
        self._is_failing = False

    @property
    def is_failing(self) -> bool:
        """Whether the model failed so often that it is left alone."""
        return self._breaker.state is not BreakerState.CLOSED

    async def of_all(self, questions: Sequence[Question], *, within_s: float, is_new: bool = False) -> Sequence[Told]:
        """Return what the model thinks of each; nothing of those about which it does not answer *within_s*.

        What it answers later is kept for the next alert of the kind. *is_new* asks again what it has answered already.
        """
        asked = {each.template_hash: each for each in questions if not each.is_suspicious}
        answers = await self._answers(asked, within_s=within_s, is_new=is_new)
        return [self._told(each, answers) for each in questions]

    def _told(self, question: Question, answers: dict[str, Told]) -> Told:
        if question.is_suspicious:
            return Told(NoOpinion(reason="injection", text="the alert gives orders to the model"), is_new=False)
        told = answers[question.template_hash]
        # The second of a kind is not asked about.
        answers[question.template_hash] = Told(told.answer, is_new=False)
        return told

    async def _answers(self, asked: Mapping[str, Question], *, within_s: float, is_new: bool) -> dict[str, Told]:
        if not asked:
            return {}
        loop = asyncio.get_running_loop()
        waiting = {key: loop.create_task(self._answer(each, is_new=is_new)) for key, each in asked.items()}
        try:
            await asyncio.wait(waiting.values(), timeout=within_s)
            return {key: task.result() if task.done() else _LATE for key, task in waiting.items()}
        finally:
            # They only wait: what they wait for goes on by itself.
            for task in waiting.values():
                task.cancel()

    async def _answer(self, question: Question, *, is_new: bool) -> Told:
        is_asked = False

        async def ask() -> Answer:
            nonlocal is_asked
            is_asked = True
            return await self._ask(question)

        find = self._cache.renew if is_new else self._cache.get
        return Told(await find(question.template_hash, ask), is_asked)

    async def _ask(self, question: Question) -> Answer:
        """Ask the model, unless that is in vain, too much or too dear."""
        if self._tallying.is_budget_spent:
            return NoOpinion(reason="budget", text="the daily budget is spent")
        if self._asking >= self._rules.concurrency + self._rules.queue:
            return NoOpinion(reason="busy", text="too many questions wait")
        self._change_asking(1)
        try:
            async with self._turns:
                return await self._ask_now(question)
        except Exception:  # noqa: BLE001  # The outermost place of a question: the rules judge.
            _LOG.exception("asking the model broke")
            return NoOpinion(reason="failed", text="internal error")
        finally:
            self._change_asking(-1)

    async def _ask_now(self, question: Question) -> Answer:
        if not self._breaker.admit():
            return NoOpinion(reason="breaker", text="the model failed too often")
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            opinion = await self.model.ask(question)
        except ModelUnavailableError as error:
            self._failed(error, took_s=loop.time() - began)
            return NoOpinion(reason="failed", text=error.message)
        except UnusableAnswerError as error:
            # It is there and it answers: what it says is no matter for the breaker.
            self._breaker.record(failed=False, took_s=loop.time() - began)
            self._tallying.asked(self.model.name, error.usage, failed=True)
            return NoOpinion(reason="unusable", text=error.legacy_text)
        except BaseException:
            self._breaker.forget()
            raise
        self._breaker.record(failed=False, took_s=loop.time() - began)
        self._tallying.asked(self.model.name, opinion.usage, failed=False)
        self._recovered()
        return opinion

    def _failed(self, error: ModelUnavailableError, *, took_s: float) -> None:
        self._breaker.record(failed=True, took_s=took_s)
        if error.retry_after:
            self._breaker.pause(error.retry_after.total_seconds())
        self._tallying.asked(self.model.name, Usage(), failed=True)
        if not self._is_failing:  # Once: every alert of a burst would say the same.
            _LOG.warning("the LLM cannot be had; rules judge", model=self.model.name, error=error.message)
        self._is_failing = True

    def _recovered(self) -> None:
        if self._is_failing:
            _LOG.info("the LLM answers again", model=self.model.name)
        self._is_failing = False

    def _change_asking(self, by: int) -> None:
        self._asking += by
        self._metrics.in_flight.set(min(self._asking, self._rules.concurrency))
        self._metrics.waiting.set(max(0, self._asking - self._rules.concurrency))


@asynccontextmanager
async def open_opinions(
    model: LanguageModel,
    rules: OpinionRules,
    *,
    breaker: Breaker,
    tallying: Tallying,
    metrics: ModelMetrics,
    registry: CollectorRegistry,
    link: RedisLink | None,
) -> AsyncIterator[Opinions]:
    """Yield the opinions of *model*, shared with other replicas through *link*; leaving ends what is being asked."""

    def ttl_s(answer: Answer) -> float:
        if isinstance(answer, Opinion):
            return rules.ttl_s
        return 0.0 if answer.reason in _SOON_OVER else rules.failure_ttl_s

    async with open_cache(
        "classifier_llm",
        _CODEC,
        ttl_s=ttl_s,
        max_items=rules.max_items,
        registry=registry,
        link=link,
        claim_s=rules.claim_s,
    ) as cache:
        yield Opinions(model, cache, rules, breaker=breaker, tallying=tallying, metrics=metrics)


class _Stored(msgspec.Struct, frozen=True):
    """An answer as it is shared: one of the two."""

    opinion: Opinion | None = None
    none: NoOpinion | None = None


def _write(answer: Answer) -> bytes:
    return msgspec.json.encode(_Stored(opinion=answer) if isinstance(answer, Opinion) else _Stored(none=answer))


def _read(data: bytes) -> Answer:
    """Return the answer; raise ValueError for what is none, such as that of another version."""
    try:
        stored = msgspec.json.decode(data, type=_Stored)
    except msgspec.MsgspecError as error:
        raise ValueError("not an answer") from error
    answer = stored.opinion or stored.none
    if answer is None:
        raise ValueError("not an answer")
    return answer


_CODEC: Codec[Answer] = Codec(write=_write, read=_read)
_LATE = Told(NoOpinion(reason="late", text="no answer in time"), is_new=False)
