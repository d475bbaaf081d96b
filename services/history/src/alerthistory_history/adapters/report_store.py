"""What reports read: counts up to some event, and the events after it, all of one moment."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common import bulk
from alerthistory_common.database import Database
from alerthistory_common.errors import UnavailableError
from alerthistory_history.domain.counts import AlertDay, Counts
from alerthistory_history.domain.reports import (
    FLAPPING_CHANGES,
    AlertIdentity,
    Order,
    Question,
    RankedAlert,
    Sums,
)
from alerthistory_history.domain.rollups import CountedAlert, Folded, alert_key, fold_events
from alerthistory_history.domain.slices import Dimension, Group, Slice, group_of
from alerthistory_history.domain.windows import Window

from . import rollup_rows
from .dialects import dialect_named
from .rollup_store import COUNTS, counted_through, uncounted
from .rollup_tables import rollup_alert_days, rollup_alerts, rollup_slices
from .tables import alerts

T = TypeVar("T")

_MOST_UNCOUNTED = 20_000
_KEYS_AT_ONCE = 10_000
_HASHES = {
    Dimension.NAME: "name_hash",
    Dimension.NAMESPACE: "namespace_hash",
    Dimension.SEVERITY: "severity_hash",
}

_TEXTS = ("alert_name", "namespace", "severity_label")


class ReportsBehindError(UnavailableError):
    """So many events are not counted yet that reports would be slow; the background is counting them."""

    reason = "REPORTS_BEHIND"


class SqlReportStore:
    """Reads the tables of counts, and what of the log is not in them yet, at most *most_uncounted* events."""

    def __init__(self, database: Database, *, most_uncounted: int = _MOST_UNCOUNTED) -> None:
        self._database = database
        self._dialect = dialect_named(database.dialect)
        self._most_uncounted = most_uncounted

    async def read(self, work: Callable[["SqlReportSnapshot"], Awaitable[T]]) -> T:
        """Return the result of *work* on counts of all events that are committed now.

        Raises ReportsBehindError when too many of them wait to be counted.
        """

        async def frozen(connection: AsyncConnection) -> T:
            await self._dialect.freeze(connection)
            position = await counted_through(connection)
            found = await uncounted(connection, self._dialect, position, limit=self._most_uncounted, is_final=False)
            if not found.is_last:
                raise ReportsBehindError("many events are still to be counted for the reports: try again in a while")
            return await work(SqlReportSnapshot(connection, fold_events(found), list(found.alerts.values())))

        return await self._database.read(frozen)


class SqlReportSnapshot:
    """Counts as of one moment. *tail* are those of events that the tables do not hold yet, *touched* their alerts."""

    def __init__(self, connection: AsyncConnection, tail: Folded, touched: Sequence[CountedAlert]) -> None:
        self._connection = connection
        self._tail = tail
        self._touched = touched

    async def sums(self, question: Question) -> dict[int, Sums]:
        """Return the sums of what is told apart, by its hash (0 when nothing is)."""
        table, value, conditions = _asked(question)
        query = select(value.label("value"), *_sums(table, question.window)).where(*conditions).group_by(value)
        found = {row.value: _as_sums(row) for row in await self._connection.execute(query)}
        for each, period, counts in self._tail_cells(question):
            found.setdefault(question.value_of(each.group), Sums()).add(period, counts, question.window)
        return found

    async def periods(self, question: Question) -> dict[int, Sums]:
        """Return the sums of every period of the window in which something happened; nothing is told apart."""
        table, _, conditions = _asked(question)
        period = table.c.period
        query = select(period, *_sums(table, question.window)).where(*conditions, period <= question.window.last)
        found = {row.period: _as_sums(row) for row in await self._connection.execute(query.group_by(period))}
        for _, number, counts in self._tail_cells(question):
            if number <= question.window.last:
                found.setdefault(number, Sums()).add(number, counts, question.window)
        return found

    async def details(self, question: Question, values: Iterable[int]) -> dict[int, dict[int, Counts]]:
        """Return the whole counts of every period of the window, for those *values* of what is told apart."""
        table, value, conditions = _asked(question)
        wanted = set(values)
        query = select(value.label("value"), table).where(*conditions, table.c.period <= question.window.last)
        if question.by:
            query = query.where(value.in_(wanted))
        found: dict[int, dict[int, Counts]] = {each: {} for each in wanted}
        for row in await self._connection.execute(query):
            _merge(found[row.value], row.period, rollup_rows.counts(row))
        for each, period, counts in self._tail_cells(question):
            if period <= question.window.last and question.value_of(each.group) in wanted:
                _merge(found[question.value_of(each.group)], period, counts)
        return found

    async def firing(self, question: Question) -> dict[int, int]:
        """Return how many alerts fire now, by the hash of what is told apart."""
        texts = (alerts.c.alert_name, alerts.c.namespace, alerts.c.severity_label)
        query = select(*texts, func.count()).where(alerts.c.is_firing).group_by(*texts)
        found: dict[int, int] = {}
        for *of, count in await self._connection.execute(query):
            group = group_of(*of)
            if question.includes(group):
                value = question.value_of(group)
                found[value] = found.get(value, 0) + count
        return found

    async def contents(self, dimension: Dimension, hashes: Iterable[int]) -> dict[int, str]:
        """Return the texts that some hashes of *dimension* stand for."""
        keys = {each: _slice_about(dimension, each) for each in hashes}
        found = await self._contents(keys.values())
        return {each: found.get(key, "") for each, key in keys.items()}

    async def _contents(self, keys: Iterable[int]) -> dict[int, str]:
        """Return what slices of one dimension are about, by their keys."""
        found = {key: text for alert in self._touched for key, text in rollup_rows.contents(alert).items()}
        query = select(rollup_slices.c.slice_key, rollup_slices.c.content)
        for some in _chunks(list(set(keys))):
            for key, content in await self._connection.execute(query.where(rollup_slices.c.slice_key.in_(some))):
                found[key] = content or ""
        return found

    async def ranking(
        self, question: Question, order: Order, *, after: RankedAlert | None, limit: int
    ) -> list[RankedAlert]:
        """Return the first *limit* single alerts of those behind *after*."""
        special = await self._special(question, order)
        query = _ranking(question, order, after).limit(limit + len(special))
        ranked = [RankedAlert(score, key) for key, score in await self._connection.execute(query) if key not in special]
        found = [*ranked, *(RankedAlert(score, key) for key, score in special.items())]
        behind = [each for each in found if each.score >= _least(order) and each.comes_after(after)]
        return sorted(behind, key=lambda each: (-each.score, each.key))[:limit]

    async def alert_days(self, keys: Sequence[int], question: Question) -> dict[int, dict[int, AlertDay]]:
        """Return what happened to single alerts, day by day, since the window's begin."""
        table = rollup_alert_days.c
        found: dict[int, dict[int, AlertDay]] = {key: {} for key in keys}
        for some in _chunks(keys):
            query = select(rollup_alert_days).where(table.alert_key.in_(some), table.period >= question.window.first)
            for row in await self._connection.execute(query):
                found[row.alert_key][row.period] = rollup_rows.alert_day(row)
        for (period, key), day in self._tail.alert_days.items():
            if key in found and period >= question.window.first:
                found[key].setdefault(period, AlertDay()).add(day)
        return found

    async def identities(self, keys: Sequence[int]) -> dict[int, AlertIdentity]:
        """Return which alerts some keys stand for."""
        known = await bulk.find(self._connection, rollup_alerts, [(key,) for key in keys])
        counted = {each.key: each for each in map(rollup_rows.alert, known)}
        counted |= {alert.key: alert for alert in self._touched if alert.key not in counted}
        chosen = {key: counted[key] for key in keys}
        about = {key: _slices_about(alert.group) for key, alert in chosen.items()}
        texts = await self._contents(each for three in about.values() for each in three)
        kept = await self._kept([alert.fp_hash for alert in chosen.values()])
        return {
            key: AlertIdentity(
                fingerprint=alert.fingerprint,
                **dict(zip(_TEXTS, (texts.get(each, "") for each in about[key]), strict=True)),
                labels_json=kept.get(alert.fp_hash, (b"", False))[0],
                is_firing=kept.get(alert.fp_hash, (b"", False))[1],
            )
            for key, alert in chosen.items()
        }

    async def _kept(self, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, bool]]:
        query = select(alerts.c.fp_hash, alerts.c.labels_json, alerts.c.is_firing)
        found: dict[bytes, tuple[bytes, bool]] = {}
        for some in _chunks(keys):
            for key, labels_json, is_firing in await self._connection.execute(query.where(alerts.c.fp_hash.in_(some))):
                found[key] = labels_json, is_firing
        return found

    async def _special(self, question: Question, order: Order) -> dict[int, int]:
        """Return the scores of the alerts that the tables alone cannot rank: they are in the tail, or fire now."""
        firing = {} if order is not Order.FIRING_TIME else await self._firing_alerts(question)
        first = question.window.first
        touched = {key for period, key in self._tail.alert_days if period >= first}
        groups = {alert.key: alert.group for alert in self._touched}
        keys = firing.keys() | {key for key in touched if question.includes(groups[key])}
        sums = await self._alert_sums(sorted(keys), question)
        for (period, key), day in self._tail.alert_days.items():
            if key in keys and period >= first:
                sums.setdefault(key, Sums()).add(period, day, question.window)
        return {key: order.score(sums.get(key, Sums()), firing.get(key, 0), question.window) for key in keys}

    async def _firing_alerts(self, question: Question) -> dict[int, int]:
        columns = (alerts.c.fp_hash, alerts.c.alert_name, alerts.c.namespace, alerts.c.severity_label)
        selected = await self._connection.execute(select(*columns).where(alerts.c.is_firing))
        return {alert_key(key): 1 for key, *texts in selected if question.includes(group_of(*texts))}

    async def _alert_sums(self, keys: Sequence[int], question: Question) -> dict[int, Sums]:
        table = rollup_alert_days
        found: dict[int, Sums] = {}
        for some in _chunks(keys):
            query = (
                select(table.c.alert_key, *_sums(table, question.window))
                .where(table.c.alert_key.in_(some), table.c.period >= question.window.first)
                .group_by(table.c.alert_key)
            )
            found |= {row.alert_key: _as_sums(row) for row in await self._connection.execute(query)}
        return found

    def _tail_cells(self, question: Question) -> Iterable[tuple[Slice, int, Counts]]:
        for (grain, key, period), counts in self._tail.cells.items():
            if grain is question.window.grain and period >= question.window.first:
                each = self._tail.slices[key]
                if question.counts(each):
                    yield each, period, counts


def _asked(question: Question) -> tuple[Table, ColumnElement[int], list[ColumnElement[bool]]]:
    """Return where the answer is counted, what tells its rows apart, and which rows it has."""
    table = COUNTS[question.window.grain]
    conditions: list[ColumnElement[bool]] = [table.c.period >= question.window.first]
    if question.single is not None:
        only = literal(question.value_of(question.group), BigInteger)
        return table, only, [table.c.slice_key == question.single, *conditions]
    own = rollup_slices.c
    conditions += [own.slice_key == table.c.slice_key, own.dimensions == int(question.cut)]
    conditions += [
        own[column] == getattr(question.group, column.removesuffix("_hash"))
        for dimension, column in _HASHES.items()
        if dimension & question.dimensions
    ]
    value = own[_HASHES[question.by]] if question.by else literal(0, BigInteger)
    return table, value, conditions


def _sums(table: Table, window: Window) -> list[ColumnElement[Any]]:
    inside = table.c.period <= window.last
    net = table.c.opened - table.c.resolved - table.c.expired
    # As Window.firing_ms says it.
    since = (table.c.period + (1 - window.first)) * literal(window.grain.ms, BigInteger)
    firing = case((inside, table.c.firing_ms - net * since), else_=-net * literal(window.length_ms, BigInteger))
    columns = ["opened", "resolved", "expired", *(name for name in ("duration_ms", "gap_ms") if name in table.c)]
    return [
        *(_total(case((inside, table.c[name]), else_=0)).label(name) for name in columns),
        _total(firing).label("firing_ms"),
    ]


def _total(column: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)


def _as_sums(row: Any) -> Sums:
    return Sums(
        fired=row.opened,
        resolved=row.resolved,
        expired=row.expired,
        firing_ms=row.firing_ms,
        duration_ms=getattr(row, "duration_ms", 0),
        gap_ms=getattr(row, "gap_ms", 0),
    )


def _ranking(question: Question, order: Order, after: RankedAlert | None) -> Select[Any]:
    table, window = rollup_alert_days, question.window
    by_name = {column.name: column for column in _sums(table, window)}
    score: ColumnElement[int] = by_name["firing_ms"].element
    conditions: list[ColumnElement[bool]] = [table.c.period >= window.first]
    if order is not Order.FIRING_TIME:
        conditions.append(table.c.period <= window.last)
        counted = table.c.opened
        score = func.sum(counted if order is Order.FIRED else counted + table.c.resolved + table.c.expired)
    if question.dimensions:
        conditions.append(rollup_alerts.c.alert_key == table.c.alert_key)
        conditions += [
            rollup_alerts.c[column] == getattr(question.group, column.removesuffix("_hash"))
            for dimension, column in _HASHES.items()
            if dimension & question.dimensions
        ]
    query = select(table.c.alert_key, score.label("score")).where(*conditions).group_by(table.c.alert_key)
    query = query.having(score >= _least(order))
    if after is not None:
        query = query.having(or_(score < after.score, and_(score == after.score, table.c.alert_key > after.key)))
    return query.order_by(score.desc(), table.c.alert_key)


def _least(order: Order) -> int:
    return FLAPPING_CHANGES if order is Order.CHANGES else 1


def _merge(periods: dict[int, Counts], period: int, counts: Counts) -> None:
    periods[period] = Counts.total((periods[period], counts)) if period in periods else counts


def _slices_about(group: Group) -> Sequence[int]:
    """Return the keys of the slices that are all about the group's name, namespace and severity."""
    return [_slice_about(dimension, value) for dimension, value in zip(_HASHES, group, strict=True)]


def _slice_about(dimension: Dimension, value: int) -> int:
    return Slice(dimension, Group(value, value, value).only(dimension)).key


def _chunks(keys: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (keys[first : first + _KEYS_AT_ONCE] for first in range(0, len(keys), _KEYS_AT_ONCE))
