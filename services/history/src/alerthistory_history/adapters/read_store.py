"""Answers questions about alerts and occurrences."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Subquery, and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Fingerprint, Instant, Severity
from alerthistory_common.database import Database
from alerthistory_history.domain.records import (
    AlertFilter,
    AlertRecord,
    CountedOccurrence,
    Occurrence,
    OccurrenceFilter,
    Status,
    TieOrder,
)
from alerthistory_history.domain.stats import ReceivedOccurrence, Totals

from . import conditions, rows
from .counting import row_count
from .dialects import dialect_named
from .selecting import all_rows, in_change_order, select_alerts, sieved, walk
from .tables import alerts, events, occurrences, quarantine, work


class SqlReadStore:
    """Reads the tables ``alerts`` and ``occurrences``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = dialect_named(database.dialect)

    async def alert(self, fingerprint: Fingerprint) -> AlertRecord | None:
        """Return one alert."""
        query = select(alerts).where(alerts.c.fp_hash == rows.fp_hash(fingerprint))
        row = (await self._database.read(lambda connection: connection.execute(query))).first()
        return None if row is None else _record(row)

    async def alerts(
        self, wanted: AlertFilter, *, after: tuple[int, bytes] | None, limit: int
    ) -> Sequence[tuple[AlertRecord, tuple[int, bytes]]]:
        """Return a page of alerts, last changed first, each with its position."""
        met = conditions.of_alerts(wanted, self._dialect)

        async def page(connection: AsyncConnection) -> Sequence[Row[Any]]:
            await self._dialect.plan_for_values(connection)
            if wanted.selection.is_indexed:
                return await all_rows(connection, in_change_order(select(alerts).where(*met), after).limit(limit))
            found = await sieved(connection, wanted, met, after=after, limit=limit)
            query = select(alerts).where(alerts.c.fp_hash.in_([row.fp_hash for row in found]))
            return await all_rows(connection, in_change_order(query, None))

        return [(_record(row), (row.changed_us, row.fp_hash)) for row in await self._database.read(page)]

    async def occurrences(
        self, wanted: OccurrenceFilter, *, ties: TieOrder, after: tuple[int, int] | None, limit: int
    ) -> Sequence[Occurrence]:
        """Return a page of occurrences, latest start first; *after* is (start, id) of the last one seen."""

        async def page(connection: AsyncConnection) -> Sequence[Row[Any]]:
            await self._dialect.plan_for_values(connection)
            of = AlertFilter(selection=wanted.selection)
            selected = await select_alerts(connection, self._dialect, of, occurrences)
            base = _in_history_order(select(occurrences), wanted, ties)
            if selected.condition is not None:
                base = base.where(selected.condition)

            async def fetch(last: Row[Any] | None, step: int) -> Sequence[Row[Any]]:
                place = after if last is None else (last.starts_us, last.id)
                query = base if place is None else base.where(_comes_after(place, ties))
                return await all_rows(connection, query.limit(step))

            if selected.keys is None or selected.condition is not None:
                return await fetch(None, limit)
            return await walk(fetch, lambda row: selected.holds(row.fp_hash), limit=limit)

        return [rows.occurrence(row) for row in await self._database.read(page)]

    async def counted(self, wanted: OccurrenceFilter, *, limit: int) -> Sequence[CountedOccurrence]:
        """Return what a report counts of the first *limit* occurrences, in history order."""
        names = occurrences.c
        # Labels are long, and only asked for the odd namespace that is no text.
        labels = case((names.namespace == "", names.labels_json), else_=literal(b"{}", names.labels_json.type))
        columns = select(names.alert_name, names.is_firing, names.namespace, labels)
        query = _in_history_order(columns, wanted, TieOrder.NEWEST_FIRST).limit(limit)
        selected = await self._database.read(lambda connection: connection.execute(query))
        return [
            CountedOccurrence(alert_name=name, is_firing=is_firing, namespace=namespace, labels_json=labels)
            for name, is_firing, namespace, labels in selected
        ]

    async def totals(self, *, limit: int) -> Totals:
        """Return how the *limit* occurrences with the latest starts were last reported."""
        latest = select(occurrences.c.is_firing).order_by(occurrences.c.starts_us.desc()).limit(limit).subquery()
        query = select(func.count(), func.count().filter(latest.c.is_firing)).select_from(latest)
        total, firing = (await self._database.read(lambda connection: connection.execute(query))).one()
        return Totals(firing=firing, resolved=total - firing)

    async def received_count(self, *, since: int) -> int:
        """Return how many occurrences were last received at the microsecond *since* or later."""
        query = select(func.count()).select_from(_received_since(since))
        return await self._database.read(lambda connection: connection.scalar(query)) or 0

    async def received(self, *, since: int, limit: int) -> Sequence[ReceivedOccurrence]:
        """Return at most *limit* occurrences that were last received at *since* or later, the latest first."""
        latest = _received_since(since)
        query = select(latest).order_by(latest.c.last_received_us.desc()).limit(limit)
        selected = await self._database.read(lambda connection: connection.execute(query))
        return [
            ReceivedOccurrence(
                alert_name=row.alert_name,
                namespace=row.namespace,
                severity_label=row.severity_label,
                is_firing=row.is_firing,
                received_at=row.last_received_us,
            )
            for row in selected
        ]

    async def status(self, now: Instant, started_at: Instant) -> Status:
        """Return figures for dashboards."""

        async def figures(connection: AsyncConnection) -> Status:
            pending, oldest = (await connection.execute(select(func.count(), func.min(work.c.created_us)))).one()
            return Status(
                occurrences=await row_count(connection, occurrences),
                alerts=await row_count(connection, alerts),
                firing_alerts=await _count(connection, select(func.count()).where(alerts.c.is_firing)),
                events=await row_count(connection, events),
                pending_work=pending,
                oldest_pending_age=None if oldest is None else timedelta(microseconds=max(0, now.micros - oldest)),
                quarantined_payloads=await row_count(connection, quarantine),
                database_size_bytes=await self._dialect.size(connection),
                database_type=self._dialect.name,
                started_at=started_at,
            )

        return await self._database.read(figures)


def _received_since(since: int) -> Subquery:
    """Return the occurrences received since; `alerts` has the index by time, which `occurrences` cannot have (HOT)."""
    seen = occurrences.c
    return (
        select(seen.alert_name, seen.namespace, seen.severity_label, seen.is_firing, seen.last_received_us)
        .join(alerts, alerts.c.fp_hash == seen.fp_hash)
        .where(
            alerts.c.seen_hour >= since // rows.MICROS_PER_HOUR,
            alerts.c.last_seen_us >= since,
            seen.last_received_us >= since,
        )
        .subquery()
    )


def _in_history_order(query: Select[Any], wanted: OccurrenceFilter, ties: TieOrder) -> Select[Any]:
    number = occurrences.c.id.desc() if ties is TieOrder.NEWEST_FIRST else occurrences.c.id
    return query.where(*conditions.of_occurrences(wanted)).order_by(occurrences.c.starts_us.desc(), number)


def _comes_after(last: tuple[int, int], ties: TieOrder) -> ColumnElement[bool]:
    start, number = last
    tied = occurrences.c.id < number if ties is TieOrder.NEWEST_FIRST else occurrences.c.id > number
    # The first condition bounds the scan of the index; the second alone would not.
    return and_(occurrences.c.starts_us <= start, or_(occurrences.c.starts_us < start, tied))


def _record(row: Any) -> AlertRecord:
    severity = None if row.verdict_severity is None else Severity(row.verdict_severity)
    return AlertRecord(alert=rows.stored_alert(row), severity=severity)


async def _count(connection: AsyncConnection, query: Select[Any]) -> int:
    return await connection.scalar(query) or 0
