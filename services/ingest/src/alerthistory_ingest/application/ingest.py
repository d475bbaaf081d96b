"""Taking payloads in: read, record, say what became of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from alerthistory_common.alerts import Fingerprint
from alerthistory_ingest.application.recorder import Record, cut
from alerthistory_ingest.domain.payload import Payload, ReadPayload, Refusal
from alerthistory_ingest.domain.quarantine import Quarantined, first_refusals, quarantine
from alerthistory_ingest.domain.reading import read_payload
from alerthistory_ingest.ports import Meter, Outcome, PayloadOutcome, Tracer

_LARGE_BYTES = 256 * 1024

SPOOLED = "spooled"
"""The decision about an alert that history is still to take: what it means is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One alert that was stored, and what it meant; ``index`` is its position in the payload, from 0."""

    index: int
    name: str
    fingerprint: Fingerprint
    is_firing: bool
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadResult:
    """What became of one payload. ``errors`` are the first of ``refused_count``."""

    accepted: tuple[Accepted, ...] = ()
    refused_count: int = 0
    errors: tuple[Refusal, ...] = ()
    rejection: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether everything in the payload was stored."""
        return not self.rejection and not self.refused_count


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRules:
    """How payloads are read and what is kept of those that cannot be stored."""

    resolve_timeout: timedelta
    max_quarantined_bytes: int


class Ingest:
    """Stores payloads durably; a bad one does not touch the others."""

    def __init__(self, record: Record, rules: ReadingRules, tracer: Tracer, meter: Meter) -> None:
        self._record = record
        self._rules = rules
        self._tracer = tracer
        self._meter = meter

    async def ingest(self, payloads: Sequence[Payload]) -> list[PayloadResult]:
        """Return one result per payload, once all that was accepted and all that was refused is durable."""
        return await self.store(payloads, await self.read(payloads))

    async def store(self, payloads: Sequence[Payload], read: Sequence[ReadPayload]) -> list[PayloadResult]:
        """Return one result per payload, of which *read* is known, once all of it is durable."""
        refused = [
            self._row(payload, each, ()) for payload, each in zip(payloads, read, strict=True) if each.is_refused
        ]
        outcomes = await self._store(read, refused)
        late = [_late_refusals(each, found) for each, found in zip(read, outcomes, strict=True)]
        refused = [self._row(*each) for each in zip(payloads, read, late, strict=True) if each[2]]
        await self._store((), refused)
        return [self._result(*each) for each in zip(payloads, read, outcomes, late, strict=True)]

    async def ingest_again(self, payload: Payload) -> PayloadResult:
        """Return what becomes of a payload that is in quarantine, and stays there."""
        read = await self.read([payload])
        outcomes = (await self._store(read))[0]
        return self._result(payload, read[0], outcomes, _late_refusals(read[0], outcomes))

    def kept(self, payload: Payload, read: ReadPayload) -> PayloadResult:
        """Return the result of a payload that is durable, but not in history yet."""
        return self._result(payload, read, [Outcome(decision=SPOOLED)] * len(read.alerts), ())

    async def read(self, payloads: Sequence[Payload]) -> list[ReadPayload]:
        """Return what *payloads* hold."""
        if sum(len(payload.body) for payload in payloads) > _LARGE_BYTES:
            return await asyncio.to_thread(self._read_all, payloads)
        return self._read_all(payloads)

    def _read_all(self, payloads: Sequence[Payload]) -> list[ReadPayload]:
        return [self._read_one(payload) for payload in payloads]

    def _read_one(self, payload: Payload) -> ReadPayload:
        with self._tracer.reading(payload.traceparent) as traceparent, self._meter.timing("read"):
            return read_payload(payload, traceparent=traceparent, resolve_timeout=self._rules.resolve_timeout)

    async def _store(self, read: Sequence[ReadPayload], rows: Sequence[Quarantined] = ()) -> list[Sequence[Outcome]]:
        """Return the outcomes per payload. Stores in order: a further part only when the one before it is durable."""
        outcomes: list[Outcome] = []
        for submission in cut((alert.report for each in read for alert in each.alerts), rows):
            outcomes += await self._record(submission)
        remaining = iter(outcomes)
        return [list(islice(remaining, len(each.alerts))) for each in read]

    def _row(self, payload: Payload, read: ReadPayload, late: Sequence[Refusal]) -> Quarantined:
        return quarantine(payload, read, late, max_body_bytes=self._rules.max_quarantined_bytes)

    def _result(
        self, payload: Payload, read: ReadPayload, outcomes: Sequence[Outcome], late: Sequence[Refusal]
    ) -> PayloadResult:
        result = PayloadResult(
            accepted=tuple(
                Accepted(
                    index=alert.index,
                    name=alert.name,
                    fingerprint=alert.report.fingerprint,
                    is_firing=alert.report.is_firing,
                    decision=outcome.decision,
                )
                for alert, outcome in zip(read.alerts, outcomes, strict=True)
                if not outcome.refusal
            ),
            refused_count=read.refused_count + len(late),
            errors=first_refusals(read, late),
            rejection=read.rejection,
        )
        self._meter.payload(payload.format, _outcome_of(result))
        self._meter.alerts(accepted=len(result.accepted), refused=result.refused_count)
        return result


def _late_refusals(read: ReadPayload, outcomes: Sequence[Outcome]) -> list[Refusal]:
    """Return what history refused although it could be read."""
    return [
        Refusal(index=alert.index, message=outcome.refusal)
        for alert, outcome in zip(read.alerts, outcomes, strict=True)
        if outcome.refusal
    ]


def _outcome_of(result: PayloadResult) -> PayloadOutcome:
    if result.rejection:
        return "rejected"
    return "partial" if result.refused_count else "accepted"
