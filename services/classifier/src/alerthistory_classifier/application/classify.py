"""Judge alerts and keep the verdicts; a database that is away costs the keeping, never the verdict."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import structlog

from alerthistory_classifier.application.keeping import STORE_LIMIT_S
from alerthistory_classifier.application.modes import Modes
from alerthistory_classifier.application.patience import Patience
from alerthistory_classifier.domain.modes import Mode
from alerthistory_classifier.domain.rules import judge
from alerthistory_classifier.metrics import ClassifierMetrics
from alerthistory_classifier.ports import Classification, Place, VerdictStore
from alerthistory_common.alerts import AlertEvent, Fingerprint, HistoryContext, Severity, Verdict
from alerthistory_common.batching import Batcher
from alerthistory_common.clock import Clock
from alerthistory_common.errors import AlertHistoryError, NotFoundError

_LOG = structlog.get_logger(__name__)


class ClassificationNotFoundError(NotFoundError):
    """The alert was never judged."""

    reason = "CLASSIFICATION_NOT_FOUND"


class Case(NamedTuple):
    """One event to judge, and what its alert's past says about it."""

    event: AlertEvent
    history: HistoryContext


class Classifying:
    """What callers ask of the classifier.

    ``verdicts`` counts those given, by severity and judge; ``transparent_events`` those for which the mode wanted none.
    """

    def __init__(
        self,
        store: VerdictStore,
        modes: Modes,
        *,
        keeping: Batcher[Sequence[Classification], None],
        patience: Patience,
        clock: Clock,
        metrics: ClassifierMetrics,
    ) -> None:
        self._store = store
        self._modes = modes
        self._keeping = keeping
        self._patience = patience
        self._clock = clock
        self._metrics = metrics
        self._failing: set[str] = set()
        self.verdicts: Counter[tuple[Severity, str]] = Counter()
        self.transparent_events = 0

    async def classify(self, cases: Sequence[Case]) -> tuple[Sequence[Verdict | None], Mode]:
        """Return a verdict on each of *cases*, None when the mode asks for none, and the mode.

        Only what fires is judged anew: when it ends, the alert is still what it was.
        """
        mode = (await self._modes.current()).mode
        if mode is Mode.TRANSPARENT:
            self.transparent_events += len(cases)
            return [None] * len(cases), mode
        known = await self._known({case.event.fingerprint for case in cases if not case.event.kind.is_firing})
        verdicts, judged = list[Verdict](), list[Classification]()
        for event, history in cases:
            verdict = None if event.kind.is_firing else known.get(event.fingerprint)
            if verdict is None:
                verdict = known[event.fingerprint] = self._judge(event, history)
                judged.append(self._classification(event, verdict))
            verdicts.append(verdict)
        await self._keep(judged)
        return verdicts, mode

    async def find(self, fingerprint: Fingerprint) -> Classification:
        """Return the stored verdict of an alert; raise ClassificationNotFoundError when it has none."""
        found = await self._store.find(fingerprint)
        if found is None:
            raise ClassificationNotFoundError("this alert was never judged")
        return found

    async def find_all(self, fingerprints: Collection[Fingerprint]) -> Sequence[Classification]:
        """Return the stored verdicts of those of *fingerprints* that have one."""
        return await self._store.find_all(fingerprints)

    async def page(self, *, min_confidence: float, after: Place | None, limit: int) -> Sequence[Classification]:
        """Return a page of verdicts of at least *min_confidence*, newest first."""
        return await self._store.page(min_confidence=min_confidence, after=after, limit=limit)

    async def count(self) -> int:
        """Return how many verdicts are stored."""
        return await self._store.count()

    def _judge(self, event: AlertEvent, history: HistoryContext) -> Verdict:
        started = time.perf_counter()
        judged = judge(event, history)
        taken = time.perf_counter() - started
        verdict = replace(judged, processing_time=timedelta(seconds=taken))
        self._metrics.duration.observe(taken)
        self._metrics.verdicts.labels(verdict.severity.value, verdict.source).inc()
        self.verdicts[verdict.severity, verdict.source] += 1
        return verdict

    def _classification(self, event: AlertEvent, verdict: Verdict) -> Classification:
        return Classification(
            fingerprint=event.fingerprint,
            alert_name=event.alert_name,
            verdict=verdict,
            created_at=self._clock.now(),
        )

    async def _keep(self, judged: Sequence[Classification]) -> None:
        if not judged:
            return
        try:
            await self._patience.wait(self._keeping.submit(judged), limit_s=STORE_LIMIT_S)
        except AlertHistoryError as error:
            self._complain("keep_verdict", error)
        else:
            self._failing.discard("keep_verdict")

    async def _known(self, fingerprints: Collection[Fingerprint]) -> dict[Fingerprint, Verdict]:
        if not fingerprints:
            return {}
        try:
            found = await self._patience.wait(self._find(fingerprints), limit_s=STORE_LIMIT_S)
        except AlertHistoryError as error:
            self._complain("find_verdict", error)
            return {}
        self._failing.discard("find_verdict")
        return {each.fingerprint: each.verdict for each in found}

    async def _find(self, fingerprints: Collection[Fingerprint]) -> Sequence[Classification]:
        return await self._store.find_all(fingerprints)

    def _complain(self, operation: str, error: AlertHistoryError) -> None:
        self._metrics.store_failures.labels(operation).inc()
        if operation not in self._failing:  # Once: every alert of a burst would say the same.
            self._failing.add(operation)
            _LOG.warning("the verdict store failed", operation=operation, error=error.message)
