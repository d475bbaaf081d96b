"""Looking at the quarantine and giving its payloads another chance."""

from collections.abc import Sequence

from alerthistory_common.clock import Clock
from alerthistory_common.errors import NotFoundError
from alerthistory_ingest.application.ingest import Ingest, PayloadResult
from alerthistory_ingest.domain.quarantine import Quarantined
from alerthistory_ingest.ports import History, QuarantinePage


class Quarantine:
    """Lists and replays payloads that could not be stored, in whole or in part."""

    def __init__(self, history: History, ingest: Ingest, clock: Clock) -> None:
        self._history = history
        self._ingest = ingest
        self._clock = clock

    async def page(self, *, page_size: int, page_token: str) -> QuarantinePage:
        """Return one page, newest first, without bodies."""
        return await self._history.list_quarantine(page_size=page_size, page_token=page_token)

    async def replay(self, quarantine_ids: Sequence[int]) -> list[PayloadResult | None]:
        """Return what became of each row, None where there is no such row. What is stored in full is deleted."""
        return [await self._replay_one(quarantine_id) for quarantine_id in quarantine_ids]

    async def _replay_one(self, quarantine_id: int) -> PayloadResult | None:
        try:
            row = await self._history.get_quarantined(quarantine_id)
        except NotFoundError:
            return None
        result = await self._store(row)
        if result.is_complete:
            await self._history.delete_quarantined([quarantine_id])
        return result

    async def _store(self, row: Quarantined) -> PayloadResult:
        if len(row.body) != row.body_size:
            return PayloadResult(
                rejection=f"its {row.body_size} bytes were too many to be kept; nothing can be replayed"
            )
        try:
            payload = row.to_payload(self._clock.now())
        except ValueError:
            return PayloadResult(rejection=f"the format {row.format!r} is unknown to this version")
        return await self._ingest.ingest_again(payload)
