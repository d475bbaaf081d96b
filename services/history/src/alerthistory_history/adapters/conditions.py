"""What filters mean in SQL; what an index cannot tell is left to a sieve."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, literal, literal_column

from alerthistory_common.alerts import EventKind
from alerthistory_common.columns import EscapedText, escape
from alerthistory_history.domain.records import AlertFilter, EventFilter, OccurrenceFilter

from . import rows
from .dialects import Dialect
from .labels import label_hash
from .tables import NAME_PREFIX, alert_severity, alerts, events, occurrences

Conditions = list[ColumnElement[bool]]

_CLOSING = sorted(kind.value for kind in EventKind if not kind.is_firing)


def of_alerts(wanted: AlertFilter, dialect: Dialect) -> Conditions:
    """Return what rows of ``alerts`` must meet."""
    found: Conditions = []
    if wanted.alert_name:
        found += _is_named(alerts.c.alert_name, wanted.alert_name)
    if wanted.namespace:
        found += _is_named(alerts.c.namespace, wanted.namespace)
    if wanted.is_firing is not None:
        found.append(alerts.c.is_firing if wanted.is_firing else ~alerts.c.is_firing)
    if wanted.severity is not None:
        found += _is_named(alert_severity, wanted.severity.value)
    if labels := wanted.selection.labels:
        found.append(dialect.has_labels([label_hash(name, value) for name, value in labels]))
    return found + _between(alerts.c.changed_us, wanted.changed_from, wanted.changed_to)


def of_occurrences(wanted: OccurrenceFilter) -> Conditions:
    """Return what rows of ``occurrences`` must meet, but for the selection of their alerts."""
    found: Conditions = []
    if wanted.alert_name:
        found += _is_named(occurrences.c.alert_name, wanted.alert_name)
    if wanted.is_firing is not None:
        found.append(occurrences.c.is_firing if wanted.is_firing else ~occurrences.c.is_firing)
    if wanted.fingerprint:
        found.append(occurrences.c.fp_hash == rows.fp_hash(wanted.fingerprint))
    if wanted.namespace:
        found += _is_named(occurrences.c.namespace, wanted.namespace)
    if wanted.severity_label:
        found += _is_named(occurrences.c.severity_label, wanted.severity_label)
    return found + _between(occurrences.c.starts_us, wanted.starts_from, wanted.starts_to)


def of_events(wanted: EventFilter) -> Conditions:
    """Return what rows of ``events`` must meet, but for the selection of their alerts."""
    found: Conditions = []
    if wanted.fingerprint:
        found.append(events.c.fp_hash == rows.fp_hash(wanted.fingerprint))
    if wanted.is_firing is not None:
        found.append(events.c.kind.not_in(_CLOSING) if wanted.is_firing else events.c.kind.in_(_CLOSING))
    return found + _between(events.c.occurred_us, wanted.occurred_from, wanted.occurred_to)


def _between(column: ColumnElement[int], lowest: int | None, highest: int | None) -> Conditions:
    found: Conditions = []
    if lowest is not None:
        found.append(column >= lowest)
    if highest is not None:
        found.append(column <= highest)
    return found


def _is_named(column: ColumnElement[str], name: str) -> Sequence[ColumnElement[bool]]:
    whole = literal(name, EscapedText)
    # A text that is shorter than what is compared begins with nothing but itself; the planner estimates one condition
    # better than two that say the same.
    if len(escape(name)) < NAME_PREFIX:
        return [_beginning(column) == whole]
    return [_beginning(column) == _beginning(whole), column == whole]


def _beginning(column: ColumnElement[str]) -> ColumnElement[str]:
    # Written out, because parameters would hide from a generic plan that this is what the index holds.
    return func.substr(column, literal_column("1"), literal_column(str(NAME_PREFIX)))
