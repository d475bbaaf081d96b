"""The statements of a commit: a fixed number of kinds, each for all rows at once.

Locks are taken in one order everywhere, by the alerts' keys, so that overlapping commits wait and never deadlock. An
alert nobody has heard of has no row to lock: who inserts it second notices, and runs again.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import bulk
from alerthistory_common.alerts import AlertEvent, Fingerprint, Instant
from alerthistory_common.database import Database
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_history.domain.importing import KnownOccurrence
from alerthistory_history.domain.records import (
    AlertChange,
    OccurrenceKey,
    OccurrenceWrite,
    Position,
    StoredAlert,
)
from alerthistory_history.domain.state import Policy

from . import rows
from .dialects import Dialect, Numbers
from .labels import label_hashes
from .tables import alerts, events, occurrences, work

T = TypeVar("T")

_OVERTAKEN_LIMIT = 20
# SQLite takes 32766 parameters in a statement, PostgreSQL 65535.
_KEYS_AT_ONCE = 10_000
_REPLACED = tuple(
    column.name
    for column in occurrences.c
    if column.name not in {"fp_hash", "starts_us", "fingerprint", "first_received_us", "times_received"}
)
_KEPT = {"fp_hash", "fingerprint", "verdict_severity", "label_hashes"}

INSERT_ALERTS = bulk.insert(alerts, tail="ON CONFLICT (fp_hash) DO NOTHING")
UPDATE_ALERTS = bulk.update(alerts, "fp_hash", (column.name for column in alerts.c if column.name not in _KEPT))
RELABEL_ALERTS = bulk.update(alerts, "fp_hash", ["label_hashes"])
PUT_OCCURRENCES = bulk.insert(
    occurrences,
    tail="ON CONFLICT (fp_hash, starts_us) DO UPDATE SET"
    " times_received = occurrences.times_received + excluded.times_received, "
    + ", ".join(f"{name} = excluded.{name}" for name in _REPLACED),
)
INSERT_EVENTS = bulk.insert(events)
INSERT_WORK = bulk.insert(work)


class OvertakenError(Exception):
    """Another transaction came in between: run again, in a transaction of its own.

    Either a later one has already written events of an alert of ours (a transaction gets its id before it gets its
    locks, and readers follow the ids), or it has made an alert that was not there when we looked.
    """


async def write(database: Database, commit: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Return the result of *commit* once it is committed; it runs again each time it was overtaken."""
    for _ in range(_OVERTAKEN_LIMIT):
        try:
            return await database.write(commit)
        except OvertakenError:
            continue
    raise StoreUnavailableError("the database is too contended")


async def lock_alerts(
    connection: AsyncConnection, dialect: Dialect, fingerprints: Iterable[Fingerprint]
) -> dict[Fingerprint, StoredAlert]:
    """Return the alerts of *fingerprints* that are known, locked until the transaction ends."""
    return await lock_alerts_by_key(connection, dialect, sorted(map(rows.fp_hash, fingerprints)))


async def lock_alerts_by_key(
    connection: AsyncConnection, dialect: Dialect, keys: Sequence[bytes]
) -> dict[Fingerprint, StoredAlert]:
    """Return the alerts with *keys*, which are sorted, locked until the transaction ends."""
    found: dict[Fingerprint, StoredAlert] = {}
    for some in _chunks(keys):
        found |= {alert.fingerprint: alert for alert in map(rows.stored_alert, await dialect.locked(connection, some))}
    return found


async def known_occurrences(
    connection: AsyncConnection, dialect: Dialect, keys: Iterable[OccurrenceKey]
) -> dict[OccurrenceKey, KnownOccurrence]:
    """Return what is known about the occurrences among *keys* that are stored."""
    wanted = {(rows.fp_hash(key.fingerprint), key.start): key for key in keys}
    found: dict[OccurrenceKey, KnownOccurrence] = {}
    for some in _chunks(sorted(wanted)):
        for key, start, received, imported in await dialect.receipts(connection, some):
            found[wanted[key, start]] = KnownOccurrence(received, imported)
    return found


async def put_alerts(
    connection: AsyncConnection,
    written: Iterable[StoredAlert],
    known: Mapping[Fingerprint, StoredAlert],
    txids: Mapping[Fingerprint, int],
    policy: Policy,
) -> None:
    """Write alerts: over those that are *known*, which are locked, and anew; *txids* are of those with new events.

    Raises OvertakenError when one that was not known is there by now.
    """
    values = {
        alert.fingerprint: rows.alert_values(alert, policy, txid=txids.get(alert.fingerprint, alert.last_event_txid))
        for alert in sorted(written, key=lambda alert: rows.fp_hash(alert.fingerprint))
    }
    new = [{**row, **_labels(row)} for fingerprint, row in values.items() if fingerprint not in known]
    if await INSERT_ALERTS.run(connection, new) < len(new):
        raise OvertakenError
    old = {fingerprint: row for fingerprint, row in values.items() if fingerprint in known}
    await UPDATE_ALERTS.run(connection, list(old.values()))
    # Two sets of labels under one fingerprint: the latest wins.
    relabelled = [row for fingerprint, row in old.items() if known[fingerprint].labels_json != row["labels_json"]]
    await RELABEL_ALERTS.run(connection, [_labels(row) for row in relabelled])


async def put_occurrences(
    connection: AsyncConnection,
    writes: Iterable[OccurrenceWrite],
    ids: Sequence[int],
    *,
    imported: Instant | None = None,
) -> None:
    """Write occurrences over those that are known, with *ids* in the order of their last reports."""
    imported_us = None if imported is None else imported.micros
    values = [{**rows.occurrence_values(write, ids[write.position]), "imported_us": imported_us} for write in writes]
    await PUT_OCCURRENCES.run(connection, sorted(values, key=lambda each: (each["fp_hash"], each["starts_us"])))


async def put_events(
    connection: AsyncConnection,
    changes: Sequence[AlertChange],
    written: Mapping[Fingerprint, StoredAlert],
    numbers: Numbers,
    now: Instant,
) -> Sequence[tuple[Position, AlertEvent]]:
    """Append one event per change, of alerts as they are *written*, and return them in order.

    Raises OvertakenError when readers would meet one of them before an earlier event of the same alert.
    """
    if any(written[change.fingerprint].last_event_txid > numbers.txid for change in changes):
        raise OvertakenError
    commit = uuid4().hex[:16]
    positions = [Position(numbers.txid, seq) for seq in numbers.events]
    values = [
        rows.event_values(change, position, event_id=f"{commit}{position.seq:016x}", now=now)
        for change, position in zip(changes, positions, strict=True)
    ]
    await INSERT_EVENTS.run(connection, values)
    return [
        (position, rows.new_event(row, written[change.fingerprint]))
        for change, position, row in zip(changes, positions, values, strict=True)
    ]


async def busy_alerts(connection: AsyncConnection, keys: Iterable[bytes]) -> set[bytes]:
    """Return the *keys* of alerts that have work already."""
    found: set[bytes] = set()
    for some in _chunks(sorted(keys)):
        found |= set(
            await connection.scalars(select(work.c.fp_hash).where(bulk.among(connection, work.c.fp_hash, some)))
        )
    return found


def _labels(row: rows.Values) -> rows.Values:
    return {"fp_hash": row["fp_hash"], "label_hashes": label_hashes(row["labels_json"])}


def _chunks(keys: Sequence[T]) -> Iterable[Sequence[T]]:
    return (keys[first : first + _KEYS_AT_ONCE] for first in range(0, len(keys), _KEYS_AT_ONCE))
