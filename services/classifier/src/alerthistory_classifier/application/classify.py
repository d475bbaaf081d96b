"""Judge alerts and keep the verdicts; a database that is away costs the keeping, never the verdict."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import structlog

from alerthistory_classifier.application.judging import Case, Explanation, Judgement, Judging
from alerthistory_classifier.application.keeping import STORE_LIMIT_S
from alerthistory_classifier.application.modes import Modes
from alerthistory_classifier.application.patience import Patience
from alerthistory_classifier.domain.modes import Mode
from alerthistory_classifier.metrics import ClassifierMetrics
from alerthistory_classifier.ports import Classification, Place, VerdictStore
from alerthistory_common.alerts import Fingerprint, Severity, Verdict
from alerthistory_common.batching import Batcher
from alerthistory_common.errors import AlertHistoryError, NotFoundError

_TRANSPARENT = "the enrichment mode is transparent"
_LOG = structlog.get_logger(__name__)


class ClassificationNotFoundError(NotFoundError):
    """The alert was never judged."""

    reason = "CLASSIFICATION_NOT_FOUND"


class Classifying:
    """What callers ask of the classifier. ``transparent_events`` counts those for which the mode wanted no verdict."""

    def __init__(
        self,
        store: VerdictStore,
        modes: Modes,
        judging: Judging,
        *,
        keeping: Batcher[Sequence[Classification], None],
        patience: Patience,
        metrics: ClassifierMetrics,
    ) -> None:
        self._store = store
        self._modes = modes
        self._judging = judging
        self._keeping = keeping
        self._patience = patience
        self._metrics = metrics
        self._failing: set[str] = set()
        self.transparent_events = 0

    @property
    def verdicts(self) -> Counter[tuple[Severity, str]]:
        """How many verdicts were given, by severity and judge."""
        return self._judging.verdicts

    async def classify(
        self, cases: Sequence[Case], *, is_required: bool = False
    ) -> tuple[Sequence[Verdict | None], Mode]:
        """Return a verdict on each of *cases*, None when the mode asks for none, and the mode.

        Only what fires is judged anew: when it ends, the alert is still what it was. With *is_required* there is a
        verdict whatever the mode says.
        """
        mode = (await self._modes.current()).mode
        if mode is Mode.TRANSPARENT and not is_required:
            self.transparent_events += len(cases)
            return [None] * len(cases), mode
        known = await self._known({case.event.fingerprint for case in cases if not case.event.kind.is_firing})
        judged = iter(await self._judging.judge(_open(cases, known)))
        verdicts, judgements = list[Verdict](), list[Judgement]()
        for event, _ in cases:
            verdict = None if event.kind.is_firing else known.get(event.fingerprint)
            if verdict is None:
                judgements.append(next(judged))
                verdict = known[event.fingerprint] = judgements[-1].classification.verdict
            verdicts.append(verdict)
        await self._keep([each.classification for each in judgements if each.is_worth_keeping])
        return verdicts, mode

    async def refresh(self, cases: Sequence[Case]) -> list[Classification]:
        """Return a new verdict on each of *cases*, whatever the mode says and the model has answered before."""
        judgements = await self._judging.judge(cases, is_new=True)
        await self._keep([each.classification for each in judgements if each.is_worth_keeping])
        return [each.classification for each in judgements]

    async def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return how each of *cases* would be judged, and why."""
        explained = await self._judging.explain(cases)
        if (await self._modes.current()).mode is Mode.TRANSPARENT:
            return [replace(each, not_asked_because=each.not_asked_because or _TRANSPARENT) for each in explained]
        return explained

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


def _open(cases: Sequence[Case], known: Collection[Fingerprint]) -> list[Case]:
    """Return those of *cases* on which there is no verdict, neither in *known* nor from an earlier one of them."""
    found, judged = list[Case](), set(known)
    for case in cases:
        if case.event.kind.is_firing or case.event.fingerprint not in judged:
            found.append(case)
            judged.add(case.event.fingerprint)
    return found
