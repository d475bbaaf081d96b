"""Answering the reports: each reads what is counted as of one moment, and tells the window that it is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Generic, TypeVar

from alerthistory_common import paging
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import Clock
from alerthistory_common.errors import PageTokenMismatchError
from alerthistory_history.domain import reports
from alerthistory_history.domain.counts import DAY, HOUR, AlertDay, Counts, Grain
from alerthistory_history.domain.reports import (
    ActivityReport,
    AlertIdentity,
    Durations,
    FlappingAlert,
    Noise,
    Order,
    Question,
    RankedAlert,
    Share,
    Sums,
    TopAlert,
)
from alerthistory_history.domain.slices import Dimension, ReportFilter
from alerthistory_history.domain.windows import Window, window
from alerthistory_history.ports import ReportSnapshot, ReportStore

from .pages import Page

T = TypeVar("T")

_DEFAULT_SIZE = 20
_SHARES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What all reports are asked: which alerts, from when to when, and which page of the list."""

    wanted: ReportFilter
    begin: Instant | None = None
    end: Instant | None = None
    page_size: int = 0
    page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Generic[T]):
    """A page of a report, and the window that it is about."""

    window: Window
    items: Sequence[T]
    next_token: str


class Reports:
    """The reports."""

    def __init__(self, store: ReportStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def top_names(self, asked: Asked, order: Order) -> Listed[TopAlert]:
        """Return the names whose alerts fired most."""
        question = self._question(asked, Dimension.NAME)

        async def read(snapshot: ReportSnapshot) -> Listed[TopAlert]:
            sums, firing = await snapshot.sums(question), await snapshot.firing(question)
            scores = {
                name: order.score(sums.get(name, Sums()), firing.get(name, 0), question.window)
                for name in sums.keys() | firing.keys()
            }
            page = _page(_ranked(scores), asked, ("top_names", order))
            details = await snapshot.details(question, _keys(page.items))
            names = await snapshot.contents(Dimension.NAME, _keys(page.items))
            rows = [
                _top(names[key], sums.get(key, Sums()), firing.get(key, 0), details[key], question.window)
                for _, key in page.items
            ]
            return Listed(window=question.window, items=rows, next_token=page.next_token)

        return await self._store.read(read)

    async def top_alerts(self, asked: Asked, order: Order) -> Listed[TopAlert]:
        """Return the single alerts that fired most; their window is made of whole days."""
        question = self._question(asked, Dimension.NONE, grain=DAY)

        async def read(snapshot: ReportSnapshot) -> Listed[TopAlert]:
            page = await _alert_page(snapshot, question, order, asked)
            keys = _keys(page.items)
            days = await snapshot.alert_days(keys, question)
            identities = await snapshot.identities(keys)
            rows = [_top_alert(identities[key], _summed(days[key], question.window), question.window) for key in keys]
            return Listed(window=question.window, items=rows, next_token=page.next_token)

        return await self._store.read(read)

    async def flapping_alerts(self, asked: Asked) -> Listed[FlappingAlert]:
        """Return the alerts that changed most often between firing and not; their window is made of whole days."""
        question = self._question(asked, Dimension.NONE, grain=DAY)

        async def read(snapshot: ReportSnapshot) -> Listed[FlappingAlert]:
            page = await _alert_page(snapshot, question, Order.CHANGES, asked)
            keys = _keys(page.items)
            days = await snapshot.alert_days(keys, question)
            identities = await snapshot.identities(keys)
            rows = [
                FlappingAlert(
                    alert=identities[key],
                    changes=changes,
                    changes_per_hour=changes * timedelta(hours=1) / question.window.length,
                    longest_quiet=timedelta(
                        microseconds=reports.longest_quiet_us(
                            each for each in days[key].items() if each[0] <= question.window.last
                        )
                    ),
                )
                for changes, key in page.items
            ]
            return Listed(window=question.window, items=rows, next_token=page.next_token)

        return await self._store.read(read)

    async def durations(self, asked: Asked, by: Dimension) -> tuple[Durations, Listed[Durations]]:
        """Return how long episodes lasted: all of them, and by what they are told apart, the most resolved first."""
        question, whole = self._question(asked, by), self._question(asked, Dimension.NONE)

        async def read(snapshot: ReportSnapshot) -> tuple[Durations, Listed[Durations]]:
            resolved = {value: sums.resolved for value, sums in (await snapshot.sums(question)).items()}
            page = _page(_ranked(resolved), asked, ("durations", by))
            counts = _totals(await snapshot.details(question, _keys(page.items)))
            contents = await snapshot.contents(by, _keys(page.items))
            rows = [_durations(contents[key], counts[key]) for _, key in page.items]
            total = _durations("", await _whole(snapshot, whole))
            return total, Listed(window=question.window, items=rows, next_token=page.next_token)

        return await self._store.read(read)

    async def noise(self, asked: Asked, by: Dimension, threshold_ms: int) -> tuple[Noise, Listed[Noise]]:
        """Return how many episodes were shorter than a threshold: of all, and told apart, the most short ones first."""
        question, whole = self._question(asked, by), self._question(asked, Dimension.NONE)

        async def read(snapshot: ReportSnapshot) -> tuple[Noise, Listed[Noise]]:
            counts = _totals(await snapshot.details(question, await snapshot.sums(question)))
            noise = {value: reports.noise_of("", each, threshold_ms) for value, each in counts.items()}
            short = {value: each.short for value, each in noise.items()}
            page = _page(_ranked(short), asked, ("noise", by, threshold_ms))
            contents = await snapshot.contents(by, _keys(page.items))
            rows = [replace(noise[key], value=contents[key]) for _, key in page.items]
            total = reports.noise_of("", await _whole(snapshot, whole), threshold_ms)
            return total, Listed(window=question.window, items=rows, next_token=page.next_token)

        return await self._store.read(read)

    async def activity(self, asked: Asked, *, bucket: Grain | None, offset_hours: int) -> ActivityReport:
        """Return when alerts fired, and how often by name, namespace and severity; None buckets as the window does."""
        question = self._question(asked, Dimension.NONE)
        hourly = Question(wanted=asked.wanted, window=question.window.by(HOUR))

        async def read(snapshot: ReportSnapshot) -> ActivityReport:
            hours = await snapshot.periods(hourly)
            return ActivityReport(
                window=question.window,
                total=await _total(snapshot, question),
                series=reports.series(
                    hours, hourly.window, bucket=bucket or question.window.grain, offset_hours=offset_hours
                ),
                heat_map=reports.heat_map(hours, offset_hours=offset_hours),
                names=await _shares(snapshot, question, Dimension.NAME),
                namespaces=await _shares(snapshot, question, Dimension.NAMESPACE),
                severities=await _shares(snapshot, question, Dimension.SEVERITY),
            )

        return await self._store.read(read)

    def _question(self, asked: Asked, by: Dimension, *, grain: Grain | None = None) -> Question:
        found = window(asked.begin, asked.end, self._clock.now(), grain=grain)
        return Question(wanted=asked.wanted, window=found, by=by)


def _durations(value: str, counts: Counts) -> Durations:
    return Durations(value=value, episodes=reports.episodes_of(counts), gaps=reports.gaps_of(counts))


def _totals(details: Mapping[int, Mapping[int, Counts]]) -> Mapping[int, Counts]:
    return {value: Counts.total(periods.values()) for value, periods in details.items()}


async def _whole(snapshot: ReportSnapshot, question: Question) -> Counts:
    """Return the counts of all alerts that are wanted; *question* tells nothing apart."""
    return Counts.total((await snapshot.details(question, [0]))[0].values())


async def _alert_page(snapshot: ReportSnapshot, question: Question, order: Order, asked: Asked) -> Page[RankedAlert]:
    size = paging.page_size(asked.page_size, default=_DEFAULT_SIZE)
    about = _about(asked, ("alerts", order))
    after = _place(paging.decode_token(asked.page_token, *about))
    found = await snapshot.ranking(question, order, after=after, limit=size + 1)
    return Page.cut(found, size, tuple, about)


def _page(ranked: Sequence[RankedAlert], asked: Asked, report: tuple[object, ...]) -> Page[RankedAlert]:
    size = paging.page_size(asked.page_size, default=_DEFAULT_SIZE)
    about = _about(asked, report)
    after = _place(paging.decode_token(asked.page_token, *about))
    return Page.cut([each for each in ranked if each.comes_after(after)][: size + 1], size, tuple, about)


def _about(asked: Asked, report: tuple[object, ...]) -> tuple[object, ...]:
    return (*report, asked.wanted, asked.begin, asked.end)


def _ranked(scores: Mapping[int, int]) -> list[RankedAlert]:
    return sorted(
        (RankedAlert(score, key) for key, score in scores.items() if score > 0),
        key=lambda each: (-each.score, each.key),
    )


def _place(cursor: paging.Cursor | None) -> RankedAlert | None:
    if cursor is None:
        return None
    try:
        score, key = map(int, cursor)
    except ValueError as error:
        raise PageTokenMismatchError("page_token is not one of ours") from error
    return RankedAlert(score, key)


def _top(name: str, sums: Sums, firing: int, periods: Mapping[int, Counts], asked: Window) -> TopAlert:
    return TopAlert(
        alert_name=name,
        fired=sums.fired,
        resolved=sums.resolved,
        expired=sums.expired,
        firing_time=reports.firing_time(sums, firing, asked),
        alerts=reports.distinct_alerts(periods, asked.first),
    )


def _top_alert(identity: AlertIdentity, sums: Sums, asked: Window) -> TopAlert:
    return TopAlert(
        alert_name=identity.alert_name,
        alert=identity,
        fired=sums.fired,
        resolved=sums.resolved,
        expired=sums.expired,
        firing_time=reports.firing_time(sums, int(identity.is_firing), asked),
        alerts=int(sums.fired > 0),
    )


def _summed(days: Mapping[int, AlertDay], asked: Window) -> Sums:
    sums = Sums()
    for period, day in days.items():
        sums.add(period, day, asked)
    return sums


async def _total(snapshot: ReportSnapshot, question: Question) -> TopAlert:
    sums = (await snapshot.sums(question)).get(0, Sums())
    firing = (await snapshot.firing(question)).get(0, 0)
    return _top("", sums, firing, (await snapshot.details(question, [0]))[0], question.window)


async def _shares(snapshot: ReportSnapshot, question: Question, by: Dimension) -> Sequence[Share]:
    apart = Question(wanted=question.wanted, window=question.window, by=by)
    fired = {value: sums.fired for value, sums in (await snapshot.sums(apart)).items()}
    most = _ranked(fired)[:_SHARES]
    contents = await snapshot.contents(by, _keys(most))
    return [Share(value=contents[key], fired=count) for count, key in most]


def _keys(ranked: Iterable[RankedAlert]) -> list[int]:
    return [each.key for each in ranked]
