"""Importing alerts of the past: read by the rules of the webhook, stored as they are, neither judged nor published."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from alerthistory_common.alerts import Instant, Report
from alerthistory_common.errors import DeadlineExceededError, UnavailableError
from alerthistory_ingest.application.recorder import cut
from alerthistory_ingest.domain.payload import BrokenAlertError
from alerthistory_ingest.domain.reading import read_past_alert
from alerthistory_ingest.ports import History, ImportOutcome, Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAlert:
    """One alert of the past, as an element of a webhook payload's ``alerts``, and when it was received."""

    alert_json: bytes
    received_at: Instant | None


class Importing:
    """Stores alerts of the past; a broken one does not touch the others."""

    def __init__(self, history: History, meter: Meter) -> None:
        self._history = history
        self._meter = meter

    async def import_alerts(self, alerts: Sequence[PastAlert], *, sender: str) -> list[ImportOutcome]:
        """Return one outcome per alert, once all that was taken is durable. Doing it again changes nothing.

        Raises UnavailableError when history does not say so.
        """
        read = await asyncio.to_thread(_read_all, alerts, sender)
        stored = iter(await self._store([each for each in read if isinstance(each, Report)]))
        return [next(stored) if isinstance(each, Report) else ImportOutcome(refusal=each) for each in read]

    async def _store(self, reports: Sequence[Report]) -> list[ImportOutcome]:
        """Store in order: a further part only when the one before it is durable."""
        return list(chain.from_iterable([await self._store_part(part.reports) for part in cut(reports)]))

    async def _store_part(self, reports: Sequence[Report]) -> Sequence[ImportOutcome]:
        try:
            with self._meter.timing("import"):
                outcomes = await self._history.import_reports(reports)
        except DeadlineExceededError as error:
            self._meter.failure("import")
            raise UnavailableError("the history service does not answer") from error
        except UnavailableError:
            self._meter.failure("import")
            raise
        if len(outcomes) != len(reports):
            raise UnavailableError("the history service answered with another number of results than it was asked for")
        return outcomes


def _read_all(alerts: Sequence[PastAlert], sender: str) -> list[Report | str]:
    """Return the report that each alert makes, or why it makes none."""
    return [_read(alert, sender) for alert in alerts]


def _read(alert: PastAlert, sender: str) -> Report | str:
    if alert.received_at is None:
        return "it does not say when it was received"
    try:
        return read_past_alert(alert.alert_json, received_at=alert.received_at, sender=sender)
    except BrokenAlertError as error:
        return str(error)
