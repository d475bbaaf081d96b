"""What a batch of reports, or the passing of time, makes of many alerts at once. Pure: the store loads and writes."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from alerthistory_common.alerts import Fingerprint, Instant, Report

from .fold import fold, settle
from .records import AlertChange, OccurrenceKey, OccurrenceWrite, StoredAlert
from .state import AlertState, Change, Decision, Policy


class Folded(Struct, frozen=True, kw_only=True):
    """What has to be written, and the decision on every report.

    ``alerts`` and ``occurrences`` hold what was touched. ``accepted`` is the number of reports that take an id.
    """

    decisions: Sequence[Decision]
    alerts: Mapping[Fingerprint, StoredAlert]
    occurrences: Mapping[OccurrenceKey, OccurrenceWrite]
    changes: Sequence[AlertChange]
    accepted: int


class _Fold:
    """Folds reports one by one, remembering what they did to the alerts and occurrences that follow."""

    def __init__(
        self,
        alerts: Mapping[Fingerprint, StoredAlert],
        newest: Mapping[OccurrenceKey, int],
        policy: Policy,
        now: int,
    ) -> None:
        self._known = alerts
        self._newest = newest
        self._policy = policy
        self._now = now
        self.alerts: dict[Fingerprint, StoredAlert] = {}
        self.occurrences: dict[OccurrenceKey, OccurrenceWrite] = {}
        self.changes: list[AlertChange] = []
        self.accepted = 0

    def take(self, submission: int, report: Report) -> Decision:
        key = OccurrenceKey(report.fingerprint, report.starts_at.micros)
        alert = self._alert(key.fingerprint)
        outcome = fold(alert.state, report, newest_received_at=self._newest_received_at(key), policy=self._policy)
        if outcome.decision is Decision.SUPERSEDED:
            return outcome.decision
        self._put_occurrence(key, report)
        self.alerts[key.fingerprint] = _reported(alert, report, outcome.state, outcome.change, self._now)
        if outcome.change is not None:
            self.changes.append(
                AlertChange(
                    fingerprint=key.fingerprint,
                    change=outcome.change,
                    episode=outcome.state.times_fired,
                    submission=submission,
                )
            )
        return outcome.decision

    def _alert(self, fingerprint: Fingerprint) -> StoredAlert:
        alert = self.alerts.get(fingerprint) or self._known.get(fingerprint)
        return StoredAlert(fingerprint=fingerprint) if alert is None else alert

    def _newest_received_at(self, key: OccurrenceKey) -> int | None:
        written = self.occurrences.get(key)
        return self._newest.get(key) if written is None else written.report.received_at.micros

    def _put_occurrence(self, key: OccurrenceKey, report: Report) -> None:
        earlier = self.occurrences.get(key)
        self.occurrences[key] = OccurrenceWrite(
            report=report,
            position=self.accepted,
            times=1 if earlier is None else earlier.times + 1,
            first_received_at=report.received_at if earlier is None else earlier.first_received_at,
        )
        self.accepted += 1


def fold_reports(
    reports: Iterable[tuple[int, Report]],
    alerts: Mapping[Fingerprint, StoredAlert],
    newest: Mapping[OccurrenceKey, int],
    policy: Policy,
    *,
    now: int,
) -> Folded:
    """Return what *reports*, each with the number of its submission, make of *alerts*, those of theirs that are known.

    *newest* maps the occurrences that are known to the time at which their newest report was received.
    """
    folding = _Fold(alerts, newest, policy, now)
    decisions = [folding.take(submission, report) for submission, report in reports]
    return Folded(
        decisions=decisions,
        alerts=folding.alerts,
        occurrences=folding.occurrences,
        changes=folding.changes,
        accepted=folding.accepted,
    )


def settle_alerts(alerts: MutableMapping[Fingerprint, StoredAlert], now: int, policy: Policy) -> Sequence[AlertChange]:
    """Let *now* come for *alerts*, in place, and return the changes that time alone brought."""
    changes: list[AlertChange] = []
    for fingerprint, alert in alerts.items():
        state, brought = settle(alert.state, now, policy=policy)
        alerts[fingerprint] = replace(
            alert,
            state=state,
            ended_at=_ended_at(alert, state, brought),
            changed_at=now if brought else alert.changed_at,
            settle_due_at=None,
        )
        changes += (
            AlertChange(fingerprint=fingerprint, change=change, episode=state.times_fired) for change in brought
        )
    return changes


def next_due(state: AlertState, policy: Policy) -> int | None:
    """Return the moment from which settling *state* changes something; None when time alone never will."""
    if state.holds:
        return min(hold.due_at for hold in state.holds)
    if not state.is_firing:
        return None
    if state.lease_expires_at is not None:
        return state.lease_expires_at + _micros(policy.lease_grace)
    if state.is_stale or state.last_seen_at is None:
        return None
    return state.last_seen_at + _micros(policy.stale_after)


def next_look(alert: StoredAlert, policy: Policy) -> int | None:
    """Return when to settle *alert* next: never later than something is due, and unless that came closer, as before.

    The due time moves with every repeated report. Looking too early once in a while is cheaper than following it.
    """
    due = next_due(alert.state, policy)
    return due if due is None or alert.settle_due_at is None else min(due, alert.settle_due_at)


def refusal(report: Report) -> str:
    """Return why no store can hold *report*; empty when one can."""
    if not report.fingerprint:
        return "the fingerprint is empty"
    for name, moment in (
        ("starts_at", report.starts_at),
        ("ends_at", report.ends_at),
        ("received_at", report.received_at),
        ("lease_expires_at", report.lease_expires_at),
    ):
        if moment is not None and not is_storable(moment):
            return f"{name} is not within the years 1 to 9999"
    for name, content in (("labels_json", report.labels_json), ("annotations_json", report.annotations_json)):
        if not _is_text(content):
            return f"{name} is not UTF-8 without NUL"
    return ""


_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


def is_storable(moment: Instant) -> bool:
    """Whether *moment* is within the years 1 to 9999, which is what Python, PostgreSQL and protobuf can all show."""
    return _FIRST <= moment.micros <= _LAST and 0 <= moment.nanos <= 999


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def _reported(alert: StoredAlert, report: Report, state: AlertState, change: Change | None, now: int) -> StoredAlert:
    return replace(
        alert,
        state=state,
        alert_name=report.alert_name,
        namespace=report.namespace,
        severity_label=report.severity_label,
        labels_json=report.labels_json,
        first_seen_at=report.received_at.micros if alert.first_seen_at is None else alert.first_seen_at,
        ended_at=_ended_at(alert, state, () if change is None else (change,)),
        changed_at=now if change is not None or alert.changed_at is None else alert.changed_at,
    )


def _ended_at(alert: StoredAlert, state: AlertState, changes: Sequence[Change]) -> int | None:
    if state.is_firing:
        return None
    return next((change.end for change in reversed(changes) if change.end is not None), alert.ended_at)


def _micros(window: timedelta) -> int:
    return window // timedelta(microseconds=1)
