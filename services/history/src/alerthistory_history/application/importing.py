"""Importing the past: what cannot be stored is refused alone."""

from collections.abc import Sequence

from alerthistory_common.alerts import Report
from alerthistory_common.clock import Clock
from alerthistory_common.database import StoreRefusedError
from alerthistory_history.domain.commit import refusal
from alerthistory_history.domain.importing import ImportOutcome, ImportResult
from alerthistory_history.ports import ImportStore, Observer


class Importer:
    """Stores reports of the past."""

    def __init__(self, store: ImportStore, clock: Clock, observer: Observer) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer

    async def import_reports(self, reports: Sequence[Report]) -> list[ImportResult]:
        """Return what became of each report, once all are committed. Doing it again changes nothing."""
        refusals = [refusal(report) for report in reports]
        sound = [report for report, why in zip(reports, refusals, strict=True) if not why]
        self._observer.refused(len(reports) - len(sound))
        stored = iter(await self._store_sound(sound))
        return [_refused(why) if why else next(stored) for why in refusals]

    async def _store_sound(self, reports: Sequence[Report]) -> Sequence[ImportResult]:
        """Store *reports* together; what the store refuses is halved until the culprit is by itself."""
        if not reports:
            return []
        try:
            return await self._store.import_reports(reports, self._clock.now())
        except StoreRefusedError as error:
            if len(reports) == 1:
                self._observer.refused(1)
                return [_refused(error.message)]
        middle = len(reports) // 2
        return [*await self._store_sound(reports[:middle]), *await self._store_sound(reports[middle:])]


def _refused(why: str) -> ImportResult:
    return ImportResult(outcome=ImportOutcome.REFUSED, refusal=why)
