"""Counting verdicts, and what the model does and costs, for all replicas together."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from alerthistory_classifier.application.patience import Patience
from alerthistory_classifier.domain.opinion import Usage
from alerthistory_classifier.ports import ModelCounts, Tally, TallyStore
from alerthistory_common.alerts import Severity
from alerthistory_common.clock import Clock
from alerthistory_common.errors import AlertHistoryError

_LOG = structlog.get_logger(__name__)
_INTERVAL_S = 1.0
_STORE_LIMIT_S = 2.0
_DAY_MICROS = 86_400 * 1_000_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a million tokens cost, and what may be spent on a day (UTC), in one currency. A budget of 0 is none."""

    prompt: float = 0.0
    completion: float = 0.0
    daily_budget: float = 0.0

    def of(self, usage: Usage) -> int:
        """Return what *usage* costs, in millionths."""
        return round(usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion)


class Tallying:
    """Counts in memory, and once a second into the store. A replica that dies takes a second of counts with it."""

    def __init__(self, store: TallyStore, prices: Prices, *, patience: Patience, clock: Clock) -> None:
        self._store = store
        self.prices = prices
        self._patience = patience
        self._clock = clock
        self._verdicts: Counter[tuple[int, str, Severity]] = Counter()
        self._models: dict[tuple[int, str], ModelCounts] = {}
        self._spent_by_day: tuple[int, int] = (0, 0)
        self._is_failing = False
        self._was_spent = False

    @property
    def is_budget_spent(self) -> bool:
        """Whether nothing more may be spent today."""
        budget = self.prices.daily_budget * _MILLION
        return 0 < budget <= self._spent()

    def verdict(self, source: str, severity: Severity) -> None:
        """Count one verdict."""
        self._verdicts[self._today(), source, severity] += 1

    def asked(self, model: str, usage: Usage, *, failed: bool) -> None:
        """Count one question, and what it cost."""
        self._count(
            model,
            ModelCounts(
                questions=1,
                failures=int(failed),
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cost=self.prices.of(usage),
            ),
        )

    def shared(self, model: str) -> None:
        """Count one verdict for which *model* did not have to be asked again."""
        self._count(model, ModelCounts(cache_hits=1))

    def fell_back(self, model: str) -> None:
        """Count one verdict that the rules gave in place of *model*."""
        self._count(model, ModelCounts(fallbacks=1))

    async def total(self, *, days: int) -> Tally:
        """Return what was counted on the last *days*, today included; 0 for all."""
        await self.flush()
        return await self._store.total(since_day=self._today() - days + 1 if days else 0)

    def spent_today(self) -> float:
        """Return what was spent today, in the currency of the prices."""
        return self._spent() / _MILLION

    async def flush(self) -> None:
        """Bring what was counted into the store, and learn what others spent; when it is away, later."""
        tally = Tally(verdicts=dict(self._verdicts), models=dict(self._models))
        self._verdicts, self._models = Counter(), {}
        try:
            if tally.verdicts or tally.models:
                await self._patience.wait(self._store.add(tally), limit_s=_STORE_LIMIT_S)
        except AlertHistoryError as error:
            self._take_back(tally)
            self._complain(error)
            return
        await self._look_at_budget()

    async def _look_at_budget(self) -> None:
        if not self.prices.daily_budget:
            return
        today = self._today()
        try:
            total = await self._patience.wait(self._store.total(since_day=today), limit_s=_STORE_LIMIT_S)
        except AlertHistoryError as error:
            self._complain(error)
            return
        self._is_failing = False
        self._spent_by_day = today, sum(each.cost for each in total.models.values())
        if self.is_budget_spent and not self._was_spent:
            _LOG.warning("the LLM's daily budget is spent; rules judge until midnight, UTC", spent=self.spent_today())
        self._was_spent = self.is_budget_spent

    def _spent(self) -> int:
        day, spent = self._spent_by_day
        today = self._today()
        mine = sum(counts.cost for (at, _), counts in self._models.items() if at == today)
        return mine + (spent if day == today else 0)

    def _count(self, model: str, counts: ModelCounts) -> None:
        key = self._today(), model
        self._models[key] = self._models.get(key, ModelCounts()).plus(counts)

    def _take_back(self, tally: Tally) -> None:
        self._verdicts.update(tally.verdicts)
        for key, counts in tally.models.items():
            self._models[key] = self._models.get(key, ModelCounts()).plus(counts)

    def _today(self) -> int:
        return self._clock.now().micros // _DAY_MICROS

    def _complain(self, error: AlertHistoryError) -> None:
        if not self._is_failing:
            _LOG.warning("counts cannot be stored; they are kept in memory", error=error.message)
        self._is_failing = True


@asynccontextmanager
async def open_tallying(
    store: TallyStore, prices: Prices, *, patience: Patience, clock: Clock
) -> AsyncIterator[Tallying]:
    """Yield a Tallying that brings its counts into the store; leaving brings the last ones."""
    tallying = Tallying(store, prices, patience=patience, clock=clock)

    async def flush_again_and_again() -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await tallying.flush()

    async with asyncio.TaskGroup() as tasks:
        flushing = tasks.create_task(flush_again_and_again())
        try:
            yield tallying
        finally:
            flushing.cancel()
            with suppress(AlertHistoryError):
                await tallying.flush()
