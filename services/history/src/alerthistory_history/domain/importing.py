"""What reports of the past, such as those of an older service, make of occurrences and alerts.

The past is stored as it is: it makes no events, opens no episode and holds nothing. Pure: the store loads and writes.
Times are integer microseconds since 1970 in UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from alerthistory_common.alerts import Fingerprint, Instant, Report

from .fold import end_of, stated_end_of
from .records import OccurrenceKey, OccurrenceWrite, StoredAlert
from .state import AlertState


class ImportOutcome(StrEnum):
    """What became of one report of the past."""

    IMPORTED = "imported"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of one report of the past, and why when it was refused."""

    outcome: ImportOutcome
    refusal: str = ""


class KnownOccurrence(NamedTuple):
    """When the newest report of a stored occurrence was received, and when that was imported; None when it was not."""

    last_received_at: int
    imported_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedPast:
    """What has to be written, and what became of every report. ``accepted`` is the number of those that take an id."""

    results: Sequence[ImportResult]
    alerts: Mapping[Fingerprint, StoredAlert]
    occurrences: Mapping[OccurrenceKey, OccurrenceWrite]
    accepted: int


class _Past:
    """Takes reports one by one, remembering what they did to the alerts and occurrences that follow."""

    def __init__(
        self, alerts: Mapping[Fingerprint, StoredAlert], known: Mapping[OccurrenceKey, KnownOccurrence], now: int
    ) -> None:
        self._stored = alerts
        self._known = dict(known)
        self._now = now
        self.alerts: dict[Fingerprint, StoredAlert] = {}
        self.occurrences: dict[OccurrenceKey, OccurrenceWrite] = {}
        self.accepted = 0

    def take(self, report: Report) -> ImportResult:
        key = OccurrenceKey(report.fingerprint, report.starts_at.micros)
        if _is_known(self._known.get(key), report, self._now):
            return ImportResult(outcome=ImportOutcome.KNOWN)
        report = _not_from_the_future(report, self._now)
        self._put_occurrence(key, report)
        alert = self.alerts.get(key.fingerprint) or self._stored.get(key.fingerprint)
        alert = StoredAlert(fingerprint=key.fingerprint) if alert is None else alert
        self.alerts[key.fingerprint] = _remembered(alert, report)
        return ImportResult(outcome=ImportOutcome.IMPORTED)

    def _put_occurrence(self, key: OccurrenceKey, report: Report) -> None:
        earlier = self.occurrences.get(key)
        self.occurrences[key] = OccurrenceWrite(
            report=report,
            position=self.accepted,
            times=1 if earlier is None else earlier.times + 1,
            first_received_at=report.received_at if earlier is None else earlier.first_received_at,
        )
        self._known[key] = KnownOccurrence(report.received_at.micros, self._now)
        self.accepted += 1


def fold_past(
    reports: Iterable[Report],
    alerts: Mapping[Fingerprint, StoredAlert],
    known: Mapping[OccurrenceKey, KnownOccurrence],
    now: Instant,
) -> FoldedPast:
    """Return what *reports* make of *alerts*, those of theirs that are known, and of the *known* occurrences.

    How the reports are cut into calls makes no difference, and the same reports again change nothing.
    """
    past = _Past(alerts, known, now.micros)
    results = [past.take(report) for report in reports]
    return FoldedPast(results=results, alerts=past.alerts, occurrences=past.occurrences, accepted=past.accepted)


def _is_known(stored: KnownOccurrence | None, report: Report, now: int) -> bool:
    if stored is None:
        return False
    if stored.last_received_at >= report.received_at.micros:
        return True
    # Its time was cut to that of its import: until the clock gets there, nobody knows which of the two is later.
    return stored.last_received_at == stored.imported_at and report.received_at.micros > now


def _not_from_the_future(report: Report, now: int) -> Report:
    # A clock that ran ahead must not make what is reported live look older than what was imported.
    return replace(report, received_at=min(report.received_at, Instant(now)))


def _remembered(alert: StoredAlert, report: Report) -> StoredAlert:
    received_at = report.received_at.micros
    first_seen_at = received_at if alert.first_seen_at is None else min(alert.first_seen_at, received_at)
    alert = replace(alert, first_seen_at=first_seen_at)
    if _has_lived(alert.state):
        return alert
    return _with_end(_with_content(alert, report), report)


def _has_lived(state: AlertState) -> bool:
    """Whether the state comes from what was reported here; then the past has no say in it."""
    return bool(state.times_fired or state.holds)


def _with_content(alert: StoredAlert, report: Report) -> StoredAlert:
    received_at, last_seen_at = report.received_at.micros, alert.state.last_seen_at
    state = replace(alert.state, times_seen=alert.state.times_seen + 1)
    if last_seen_at is not None and received_at < last_seen_at:
        return replace(alert, state=state)
    return replace(
        alert,
        state=replace(
            state,
            last_seen_at=received_at,
            annotations_json=report.annotations_json,
            generator_url=report.generator_url,
        ),
        alert_name=report.alert_name,
        namespace=report.namespace,
        severity_label=report.severity_label,
        labels_json=report.labels_json,
    )


def _with_end(alert: StoredAlert, report: Report) -> StoredAlert:
    """Return *alert* with the episode that *report* closed, as the fold leaves it; the one that ended last is shown.

    What fired at the end of the past closes nothing: when it is reported again, it fires.
    """
    if report.is_firing:
        return alert
    start, end = report.starts_at.micros, end_of(report)
    through = [moment for moment in (alert.state.closed_through, end, start) if moment is not None]
    state = replace(alert.state, closed_through=max(through))
    if alert.ended_at is not None and end < alert.ended_at:
        return replace(alert, state=state)
    state = replace(state, start=start, last_resolve=(start, stated_end_of(report)))
    return replace(alert, state=state, ended_at=end)
