"""Where payloads go: to history, or to the spool while history is away."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby

import structlog

from alerthistory_common.crash_points import reach
from alerthistory_common.errors import AlertHistoryError, UnavailableError
from alerthistory_ingest.application.ingest import Ingest, PayloadResult
from alerthistory_ingest.domain.payload import Payload
from alerthistory_ingest.domain.spooled import Spooled
from alerthistory_ingest.ports import Meter, Spool

_LOG = structlog.get_logger(__name__)
_REPLAYED = 200
_REPLAYED_BYTES = 8 * 1024 * 1024
_SHORTEST_S = 0.2
_LONGEST_S = 5.0


class Outage:
    """Whether history is away, as far as this replica knows.

    Then nobody waits for it: payloads go to the spool, and the spool's replay tells when it is back.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._begins = asyncio.Event()

    def begin(self) -> None:
        """History is away, and the spool has something to replay."""
        self.is_on = True
        self._begins.set()

    def look(self) -> None:
        """Whoever empties the spool is about to look into it."""
        self._begins.clear()

    def end(self) -> None:
        """History takes payloads: the spool was found empty. Not so if something came into it since that look."""
        self.is_on = self._begins.is_set()

    async def wait(self, seconds: float) -> None:
        """Return when something came into the spool since the last look, or after *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                await self._begins.wait()
        except TimeoutError:
            return


class Intake:
    """Takes payloads in; with *is_store_only* their alerts make no work."""

    def __init__(self, ingest: Ingest, spool: Spool, outage: Outage, meter: Meter, *, is_store_only: bool) -> None:
        self._ingest = ingest
        self._spool = spool
        self._outage = outage
        self._meter = meter
        self._is_store_only = is_store_only

    async def ingest(self, payloads: Sequence[Payload]) -> list[PayloadResult]:
        """Return one result per payload, once all of it is durable; raise UnavailableError when it is not."""
        read = await self._ingest.read(payloads)
        reach("ingest.read")
        if not self._outage.is_on:
            try:
                results = await self._ingest.store(payloads, read)
            except UnavailableError as error:
                await self._keep(payloads, error)
            else:
                reach("ingest.recorded")
                return results
        else:
            await self._keep(payloads, None)
        return [self._ingest.kept(*each) for each in zip(payloads, read, strict=True)]

    async def _keep(self, payloads: Sequence[Payload], cause: UnavailableError | None) -> None:
        try:
            await self._spool.append([Spooled(payload=each, is_store_only=self._is_store_only) for each in payloads])
        except UnavailableError as error:
            self._meter.spooled("refused", len(payloads))
            raise UnavailableError(f"{cause or 'the history service is away'}; {error}") from error
        reach("ingest.spooled")
        self._meter.spooled("spooled", len(payloads))
        if not self._outage.is_on:
            _LOG.warning("history is away: payloads go to the spool", error=str(cause))
        self._outage.begin()


class Replay:
    """Hands what is in the spool to history, the oldest first, while new payloads go there behind it.

    A payload is removed once history has it. One that history refuses for good, which is a defect of ours, goes behind
    the others and is tried again. *ingest* stores payloads, those whose alerts make no work under True. The outage ends
    with the last payload: the end of an alert must not overtake its begin.
    """

    def __init__(self, spool: Spool, outage: Outage, meter: Meter, ingest: Mapping[bool, Ingest]) -> None:
        self._spool = spool
        self._outage = outage
        self._meter = meter
        self._ingest = ingest

    async def run(self) -> None:
        """Replay whatever comes into the spool, for ever."""
        delay = _SHORTEST_S
        while True:
            try:
                self._outage.look()
                if not await self._replay_some():
                    self._outage.end()
                    await self._outage.wait(_LONGEST_S)
                delay = _SHORTEST_S
            except UnavailableError:
                # Of history or of the spool: what waits is shown by the metrics, and why in the log of either.
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_S)
            except Exception:  # noqa: BLE001  # The outermost place: without this task, nothing leaves the spool.
                _LOG.exception("replaying the spool broke")
                await asyncio.sleep(_LONGEST_S)

    async def _replay_some(self) -> bool:
        """Replay the oldest payloads; return whether there were any."""
        waiting = await self._spool.oldest(max_count=_REPLAYED, max_bytes=_REPLAYED_BYTES)
        if waiting and waiting[0].failures:
            await asyncio.sleep(_LONGEST_S)
        for is_store_only, some in groupby(waiting, lambda each: each.is_store_only):
            await self._replay(self._ingest[is_store_only], list(some))
        return bool(waiting)

    async def _replay(self, ingest: Ingest, some: Sequence[Spooled]) -> None:
        try:
            await ingest.ingest([each.payload for each in some])
        except UnavailableError:
            raise
        except AlertHistoryError as error:
            if len(some) > 1:
                for each in some:
                    await self._replay(ingest, [each])
                return
            _LOG.error("history refuses a spooled payload", spool_id=some[0].spool_id, error=str(error))
            self._meter.spooled("set_back")
            await self._spool.set_back(some[0].spool_id)
            return
        reach("ingest.replayed")
        await self._spool.remove([each.spool_id for each in some])
        self._meter.spooled("replayed", len(some))
