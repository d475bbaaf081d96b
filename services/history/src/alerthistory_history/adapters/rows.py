"""Rows as the domain's values, and back."""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant
from alerthistory_history.domain.commit import next_look
from alerthistory_history.domain.records import AlertChange, Occurrence, OccurrenceWrite, Position, StoredAlert
from alerthistory_history.domain.state import AlertState, Hold, Policy

Values = dict[str, Any]

MICROS_PER_HOUR = 3_600_000_000


# A commit asks for the same keys several times.
@lru_cache(maxsize=16_384)
def fp_hash(fingerprint: str) -> bytes:
    """Return the key of an alert: fingerprints may be longer than an index can hold."""
    return sha256(fingerprint.encode()).digest()


def cursor(position: Position) -> str:
    """Return the opaque text that stands for *position*."""
    return f"{position.txid}-{position.seq}"


def alert_values(alert: StoredAlert, policy: Policy, *, txid: int) -> Values:
    """Return the columns of an alert that nobody has judged; *txid* is the transaction of its last event."""
    state = alert.state
    resolve_start, resolve_ends = state.last_resolve or (None, None)
    return {
        "fp_hash": fp_hash(alert.fingerprint),
        "fingerprint": alert.fingerprint,
        "alert_name": alert.alert_name,
        "namespace": alert.namespace,
        "severity_label": alert.severity_label,
        "verdict_severity": None,
        "labels_json": alert.labels_json,
        "annotations_json": state.annotations_json,
        "generator_url": state.generator_url,
        "is_firing": state.is_firing,
        "is_stale": state.is_stale,
        "start_us": state.start,
        "ended_us": alert.ended_at,
        "closed_through_us": state.closed_through,
        "resolve_start_us": resolve_start,
        "resolve_ends_us": resolve_ends,
        "holds_json": _holds_json(state.holds),
        "lease_expires_us": state.lease_expires_at,
        "settle_due_us": next_look(alert, policy),
        "first_seen_us": alert.first_seen_at,
        "last_seen_us": state.last_seen_at,
        "times_seen": state.times_seen,
        "times_fired": state.times_fired,
        "last_event_txid": txid,
        "is_store_only": alert.is_store_only,
        "changed_us": (alert.first_seen_at or 0) if alert.changed_at is None else alert.changed_at,
        "seen_hour": (state.last_seen_at or 0) // MICROS_PER_HOUR,
    }


def stored_alert(row: Row[Any]) -> StoredAlert:
    """Return the alert in a row of the whole table."""
    state = AlertState(
        is_firing=row.is_firing,
        start=row.start_us,
        closed_through=row.closed_through_us,
        last_resolve=None if row.resolve_start_us is None else (row.resolve_start_us, row.resolve_ends_us),
        holds=tuple(_hold(each) for each in json.loads(row.holds_json)),
        lease_expires_at=row.lease_expires_us,
        is_stale=row.is_stale,
        annotations_json=row.annotations_json,
        generator_url=row.generator_url,
        last_seen_at=row.last_seen_us,
        times_seen=row.times_seen,
        times_fired=row.times_fired,
    )
    return StoredAlert(
        fingerprint=Fingerprint(row.fingerprint),
        state=state,
        alert_name=row.alert_name,
        namespace=row.namespace,
        severity_label=row.severity_label,
        labels_json=row.labels_json,
        first_seen_at=row.first_seen_us,
        ended_at=row.ended_us,
        last_event_txid=row.last_event_txid,
        is_store_only=row.is_store_only,
        changed_at=row.changed_us,
        settle_due_at=row.settle_due_us,
    )


def occurrence_values(write: OccurrenceWrite, occurrence_id: int) -> Values:
    """Return the columns of an occurrence that is new, or that replaces the known one."""
    report = write.report
    return {
        "fp_hash": fp_hash(report.fingerprint),
        "starts_us": report.starts_at.micros,
        "starts_nanos": report.starts_at.nanos,
        "id": occurrence_id,
        "fingerprint": report.fingerprint,
        "alert_name": report.alert_name,
        "is_firing": report.is_firing,
        "ends_us": None if report.ends_at is None else report.ends_at.micros,
        "ends_nanos": None if report.ends_at is None else report.ends_at.nanos,
        "labels_json": report.labels_json,
        "annotations_json": report.annotations_json,
        "generator_url": report.generator_url,
        "namespace": report.namespace,
        "severity_label": report.severity_label,
        "sender": report.sender,
        "first_received_us": write.first_received_at.micros,
        "last_received_us": report.received_at.micros,
        "times_received": write.times,
    }


def occurrence(row: Row[Any]) -> Occurrence:
    """Return the occurrence in a row of the whole table."""
    return Occurrence(
        occurrence_id=row.id,
        fingerprint=Fingerprint(row.fingerprint),
        alert_name=row.alert_name,
        is_firing=row.is_firing,
        starts_at=Instant(row.starts_us, row.starts_nanos),
        ends_at=None if row.ends_us is None else Instant(row.ends_us, row.ends_nanos or 0),
        labels_json=row.labels_json,
        annotations_json=row.annotations_json,
        generator_url=row.generator_url,
        first_received_at=row.first_received_us,
        last_received_at=row.last_received_us,
        times_received=row.times_received,
    )


def event_values(change: AlertChange, position: Position, *, event_id: str, now: Instant) -> Values:
    """Return the columns of an event."""
    content = change.change
    return {
        "seq": position.seq,
        "txid": position.txid,
        "event_id": event_id,
        "fp_hash": fp_hash(change.fingerprint),
        "kind": content.kind.value,
        "episode": change.episode,
        "starts_us": content.start,
        "ends_us": content.end,
        "annotations_json": content.annotations_json,
        "generator_url": content.generator_url,
        "occurred_us": now.micros,
        "received_us": content.received_at,
        "sender": content.sender,
        "traceparent": content.traceparent,
    }


def new_event(values: Mapping[str, Any], alert: StoredAlert) -> AlertEvent:
    """Return the event with the columns *values*, of *alert*."""
    return AlertEvent(
        event_id=values["event_id"],
        cursor=cursor(Position(values["txid"], values["seq"])),
        kind=EventKind(values["kind"]),
        fingerprint=alert.fingerprint,
        alert_name=alert.alert_name,
        starts_at=Instant(values["starts_us"]),
        ends_at=None if values["ends_us"] is None else Instant(values["ends_us"]),
        labels_json=alert.labels_json,
        annotations_json=values["annotations_json"],
        generator_url=values["generator_url"],
        occurred_at=Instant(values["occurred_us"]),
        received_at=Instant(values["received_us"]),
        sender=values["sender"],
        traceparent=values["traceparent"],
    )


def alert_event(row: Row[Any]) -> AlertEvent:
    """Return the event in a row of ``events`` joined with the alert's fingerprint, name and labels."""
    return AlertEvent(
        event_id=row.event_id,
        cursor=cursor(Position(row.txid, row.seq)),
        kind=EventKind(row.kind),
        fingerprint=Fingerprint(row.fingerprint),
        alert_name=row.alert_name,
        starts_at=Instant(row.starts_us),
        ends_at=None if row.ends_us is None else Instant(row.ends_us),
        labels_json=row.labels_json,
        annotations_json=row.annotations_json,
        generator_url=row.generator_url,
        occurred_at=Instant(row.occurred_us),
        received_at=Instant(row.received_us),
        sender=row.sender,
        traceparent=row.traceparent,
    )


def _holds_json(holds: tuple[Hold, ...]) -> str:
    return json.dumps([_hold_values(hold) for hold in holds]) if holds else "[]"


def _hold_values(hold: Hold) -> Values:
    return {
        "sender": hold.sender,
        "start": hold.start,
        "due_at": hold.due_at,
        "annotations_json": hold.annotations_json.decode(),
        "generator_url": hold.generator_url,
        "lease_expires_at": hold.lease_expires_at,
        "received_at": hold.received_at,
        "traceparent": hold.traceparent,
    }


def _hold(values: Mapping[str, Any]) -> Hold:
    return Hold(**{**values, "annotations_json": values["annotations_json"].encode()})
