"""Storing a payload and waiting for what comes of it, for callers that want to know at once."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

import structlog

from alerthistory_common.alerts import Fingerprint, Verdict
from alerthistory_common.deadlines import budget
from alerthistory_common.errors import AlertHistoryError
from alerthistory_ingest.application.ingest import Accepted, PayloadResult
from alerthistory_ingest.application.intake import Intake
from alerthistory_ingest.application.pipeline import Pipeline, Processed
from alerthistory_ingest.domain.payload import Payload
from alerthistory_ingest.domain.work import Work
from alerthistory_ingest.ports import Classifier

_LOG = structlog.get_logger(__name__)
_PUBLISHED = frozenset({"fired", "refired", "resolved"})
_SHARE_OF_DEADLINE = 0.8
"""What may be waited for; the rest is for the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedAlert:
    """What came of one stored alert; ``index`` is its position in the payload.

    ``is_processed`` says whether its event was published in time.
    """

    index: int
    fingerprint: Fingerprint
    verdict: Verdict | None = None
    is_processed: bool = False
    targets: Sequence[str] = ()


class Processing:
    """Stores payloads and waits for the pipeline, *limit_s* at most. What takes longer goes on in the background."""

    def __init__(self, intake: Intake, pipeline: Pipeline, classifier: Classifier, *, limit_s: float) -> None:
        self._intake = intake
        self._pipeline = pipeline
        self._classifier = classifier
        self._limit_s = limit_s

    async def process(
        self, payload: Payload, *, is_verdict_required: bool = False
    ) -> tuple[PayloadResult, list[ProcessedAlert]]:
        """Return what became of *payload*, once that is durable, and what came of each stored alert.

        With *is_verdict_required* alerts are judged for this answer even when the mode asks for no verdict.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + budget(self._limit_s) * _SHARE_OF_DEADLINE
        found = _Found()
        with self._pipeline.told(found.add):
            (result,) = await self._intake.ingest([payload])
            awaited = {alert.fingerprint for alert in result.accepted if alert.decision in _PUBLISHED}
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ends_at):
                    await found.all_of(awaited)
        known = await self._known({alert.fingerprint for alert in result.accepted} - found.processed.keys())
        if is_verdict_required:
            known |= await self._required(each.work for each in found.processed.values() if each.verdict is None)
        return result, [_processed(alert, found.processed, known) for alert in result.accepted]

    async def _required(self, published: Iterable[Work]) -> dict[Fingerprint, Verdict]:
        """Return verdicts on alerts that were published without one."""
        work = list(published)
        if not work:
            return {}
        try:
            verdicts = await self._classifier.classify(work, is_required=True)
        except AlertHistoryError as error:
            _LOG.warning("answered without verdicts", error=str(error))
            return {}
        judged = zip(work, verdicts, strict=True)
        return {each.event.fingerprint: verdict for each, verdict in judged if verdict is not None}

    async def _known(self, fingerprints: Collection[Fingerprint]) -> dict[Fingerprint, Verdict]:
        """Return the verdicts that were given earlier; a classifier that is away costs only them."""
        if not fingerprints:
            return {}
        try:
            return dict(await self._classifier.verdicts(fingerprints))
        except AlertHistoryError as error:
            _LOG.warning("answered without earlier verdicts", error=str(error))
            return {}


class _Found:
    """Collects what the pipeline tells."""

    def __init__(self) -> None:
        self.processed: dict[Fingerprint, Processed] = {}
        self._came = asyncio.Event()

    def add(self, processed: Processed) -> None:
        self.processed[processed.work.event.fingerprint] = processed
        self._came.set()

    async def all_of(self, fingerprints: AbstractSet[Fingerprint]) -> None:
        while not self.processed.keys() >= fingerprints:
            self._came.clear()
            await self._came.wait()


def _processed(
    alert: Accepted, processed: Mapping[Fingerprint, Processed], known: Mapping[Fingerprint, Verdict]
) -> ProcessedAlert:
    fingerprint = alert.fingerprint
    if (found := processed.get(fingerprint)) is None:
        return ProcessedAlert(index=alert.index, fingerprint=fingerprint, verdict=known.get(fingerprint))
    return ProcessedAlert(
        index=alert.index,
        fingerprint=fingerprint,
        verdict=found.verdict or known.get(fingerprint),
        is_processed=True,
        targets=found.targets,
    )
