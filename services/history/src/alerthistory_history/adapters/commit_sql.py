"""The statements of a commit: a fixed number of kinds, each for all rows at once.

Locks are taken in one order everywhere, by the alerts' keys, so that overlapping commits wait and never deadlock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Fingerprint, Instant
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
from .dialects import Dialect
from .tables import alerts, events, occurrences, work

T = TypeVar("T")

# SQLite takes 32766 parameters in a statement, PostgreSQL 65535.
_KEYS_AT_ONCE = 10_000
_REPLACED = tuple(
    column.name
    for column in occurrences.c
    if column.name not in {"fp_hash", "starts_us", "fingerprint", "first_received_us", "times_received"}
)


class OvertakenError(Exception):
    """A later transaction has already written events of an alert of ours: run again, in a transaction of its own.

    A transaction gets its id before it gets its locks, and readers follow the ids.
    """


async def lock_alerts(
    connection: AsyncConnection, dialect: Dialect, fingerprints: Iterable[Fingerprint], policy: Policy
) -> dict[Fingerprint, StoredAlert]:
    """Return the alerts of *fingerprints*, made if missing, locked until the transaction ends."""
    by_key = {rows.fp_hash(fingerprint): fingerprint for fingerprint in fingerprints}
    keys = sorted(by_key)
    if not keys:
        return {}
    found: dict[Fingerprint, StoredAlert] = {}
    # Once is nearly always enough: retention may delete an old alert between the two statements.
    while len(found) < len(keys):
        await connection.execute(
            dialect.insert(alerts).on_conflict_do_nothing(index_elements=[alerts.c.fp_hash]),
            [rows.alert_values(StoredAlert(fingerprint=by_key[key]), policy, txid=0) for key in keys],
        )
        found = await lock_known_alerts(connection, keys)
    return found


async def lock_known_alerts(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[Fingerprint, StoredAlert]:
    """Return the alerts with *keys*, which are sorted, locked until the transaction ends."""
    found: dict[Fingerprint, StoredAlert] = {}
    for some in _chunks(keys):
        selected = await connection.execute(
            select(alerts).where(alerts.c.fp_hash.in_(some)).order_by(alerts.c.fp_hash).with_for_update()
        )
        found |= {alert.fingerprint: alert for alert in map(rows.stored_alert, selected)}
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


async def put_occurrences(
    connection: AsyncConnection, dialect: Dialect, writes: Iterable[OccurrenceWrite], *, accepted: int
) -> None:
    """Write occurrences over those that are known, with ids in the order of their last reports."""
    if not accepted:
        return
    ids = await dialect.occurrence_ids(connection, accepted)
    await _upsert_occurrences(
        connection, dialect, [rows.occurrence_values(write, ids[write.position]) for write in writes]
    )


async def put_imported_occurrences(
    connection: AsyncConnection, dialect: Dialect, writes: Iterable[OccurrenceWrite], *, accepted: int, now: Instant
) -> None:
    """Write occurrences of the past, imported *now*, with ids that come before those of all others."""
    if not accepted:
        return
    ids = await dialect.imported_ids(connection, accepted)
    await _upsert_occurrences(
        connection,
        dialect,
        [{**rows.occurrence_values(write, ids[write.position]), "imported_us": now.micros} for write in writes],
    )


async def _upsert_occurrences(connection: AsyncConnection, dialect: Dialect, values: Sequence[rows.Values]) -> None:
    insert = dialect.insert(occurrences)
    new: dict[str, ColumnElement[Any]] = {name: insert.excluded[name] for name in _REPLACED}
    new["times_received"] = occurrences.c.times_received + insert.excluded.times_received
    await connection.execute(
        insert.on_conflict_do_update(index_elements=[occurrences.c.fp_hash, occurrences.c.starts_us], set_=new),
        sorted(values, key=lambda each: (each["fp_hash"], each["starts_us"])),
    )


async def put_alerts(
    connection: AsyncConnection, written: Iterable[StoredAlert], txids: Mapping[Fingerprint, int], policy: Policy
) -> None:
    """Write alerts that are locked; *txids* has this transaction for those with new events."""
    values = []
    for alert in written:
        txid = txids.get(alert.fingerprint, alert.last_event_txid)
        row = rows.alert_values(alert, policy, txid=txid)
        values.append({"key": row.pop("fp_hash"), **row})
    if values:
        await connection.execute(update(alerts).where(alerts.c.fp_hash == bindparam("key")), values)


async def put_events(
    connection: AsyncConnection,
    dialect: Dialect,
    changes: Sequence[AlertChange],
    known: Mapping[Fingerprint, StoredAlert],
    now: Instant,
) -> Sequence[Position]:
    """Append one event per change and return their positions, in order.

    Raises OvertakenError when readers would meet one of them before an earlier event of the same alert.
    """
    if not changes:
        return ()
    positions = await dialect.event_positions(connection, len(changes))
    if any(known[change.fingerprint].last_event_txid > positions[0].txid for change in changes):
        raise OvertakenError
    await connection.execute(
        events.insert(),
        [
            rows.event_values(change, position, event_id=uuid4().hex, now=now)
            for change, position in zip(changes, positions, strict=True)
        ],
    )
    return positions


async def busy_alerts(connection: AsyncConnection, changes: Iterable[AlertChange]) -> set[bytes]:
    """Return the keys of the alerts among those of *changes* that have work already."""
    found: set[bytes] = set()
    for keys in _chunks(sorted({rows.fp_hash(change.fingerprint) for change in changes})):
        found |= set((await connection.execute(select(work.c.fp_hash).where(work.c.fp_hash.in_(keys)))).scalars())
    return found


async def put_work(connection: AsyncConnection, values: Sequence[rows.Values]) -> None:
    """Append work."""
    if values:
        await connection.execute(work.insert(), values)


def _chunks(keys: Sequence[T]) -> Iterable[Sequence[T]]:
    return (keys[first : first + _KEYS_AT_ONCE] for first in range(0, len(keys), _KEYS_AT_ONCE))
