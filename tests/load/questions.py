"""The questions that are measured, and whose plans are tested: every list, by every single filter."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import create_async_engine

from alerthistory_common.alerts import Severity
from alerthistory_common.database import Database
from alerthistory_common.matchers import Matcher
from alerthistory_history.adapters.event_store import SqlEventStore
from alerthistory_history.adapters.read_store import SqlReadStore
from alerthistory_history.application.events import position_of
from alerthistory_history.domain.records import AlertFilter, EventFilter, OccurrenceFilter, TieOrder
from alerthistory_history.domain.selection import Selection
from tests.load.dataset import Past

PAGE = 100
_DAY = 86_400_000_000

Page = tuple[int, Any]
"""How many rows, and the position after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One list by one filter; ``index`` finds its rows on PostgreSQL. *ask* takes a position and a number of rows."""

    name: str
    index: str
    ask: Callable[[Any, int], Awaitable[Page]]


class Recorder:
    """A database whose statements are kept, as they went to the driver."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.statements: list[tuple[str, Any]] = []


@asynccontextmanager
async def recorded(url: URL, schema: str = "history") -> AsyncIterator[Recorder]:
    """Yield the PostgreSQL database at *url*, its statements recorded."""
    engine = create_async_engine(url, pool_size=2, connect_args={"options": f"-c search_path={schema}"})
    recorder = Recorder(Database(engine, engine))

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def keep(_: Any, __: Any, statement: str, parameters: Any, *rest: Any) -> None:
        recorder.statements.append((statement, parameters))

    try:
        yield recorder
    finally:
        await engine.dispose()


def questions(database: Database, past: Past, now_us: int) -> Sequence[Question]:
    """Return all questions to *database*, which holds *past*."""
    window = now_us - 30 * _DAY, now_us - 29 * _DAY
    pod = Selection(matchers=(Matcher.parse(f"pod={past.pod}"),))
    cluster = Selection(matchers=(Matcher.parse("cluster=eu-1"),))
    # Neither the most frequent nor the rarest.
    name, namespace = "FailingMemory", "team-12"
    return [
        *_alerts(
            SqlReadStore(database),
            [
                ("all", AlertFilter(), "ix_alerts_changed"),
                ("name", AlertFilter(alert_name=name), "ix_alerts_name"),
                ("namespace", AlertFilter(namespace=namespace), "ix_alerts_namespace"),
                ("severity", AlertFilter(severity=Severity.CRITICAL), "ix_alerts_severity"),
                ("firing", AlertFilter(is_firing=True), "ix_alerts_firing"),
                ("time", AlertFilter(changed_from=window[0], changed_to=window[1]), "ix_alerts_changed"),
                ("rare label", AlertFilter(selection=pod), "ix_alerts_labels"),
                ("common label", AlertFilter(selection=cluster), "ix_alerts_changed"),
            ],
        ),
        *_occurrences(
            SqlReadStore(database),
            [
                ("all", OccurrenceFilter(), "ix_occurrences_starts"),
                ("name", OccurrenceFilter(alert_name=name), "ix_occurrences_name"),
                ("namespace", OccurrenceFilter(namespace=namespace), "ix_occurrences_(namespace|starts)"),
                ("severity", OccurrenceFilter(severity_label="critical"), "ix_occurrences_(severity|starts)"),
                ("firing", OccurrenceFilter(is_firing=True), "ix_occurrences_firing"),
                ("resolved", OccurrenceFilter(is_firing=False), "ix_occurrences_starts"),
                ("alert", OccurrenceFilter(fingerprint=past.fingerprint), "occurrences_pkey"),
                ("time", OccurrenceFilter(starts_from=window[0], starts_to=window[1]), "ix_occurrences_starts"),
                ("rare label", OccurrenceFilter(selection=pod), "occurrences_pkey"),
                ("common label", OccurrenceFilter(selection=cluster), "ix_occurrences_starts"),
            ],
        ),
        *_events(
            SqlEventStore(database),
            [
                ("all", EventFilter(), "txid_seq|ix_events_order"),
                ("name", EventFilter(of=AlertFilter(alert_name=name)), "ix_alerts_name"),
                ("namespace", EventFilter(of=AlertFilter(namespace=namespace)), "ix_alerts_namespace"),
                ("severity", EventFilter(of=AlertFilter(severity=Severity.CRITICAL)), "txid_seq|ix_events_order"),
                ("resolved", EventFilter(is_firing=False), "txid_seq|ix_events_order"),
                ("alert", EventFilter(fingerprint=past.fingerprint), "fp_hash_seq|ix_events_alert"),
                (
                    "time",
                    EventFilter(occurred_from=window[0], occurred_to=window[1]),
                    "Scan using [a-z0-9_]*_occurred_us_txid",
                ),
                ("rare label", EventFilter(of=AlertFilter(selection=pod)), "ix_alerts_labels"),
                ("common label", EventFilter(of=AlertFilter(selection=cluster)), "txid_seq|ix_events_order"),
            ],
        ),
    ]


def _alerts(store: SqlReadStore, wanted: Sequence[tuple[str, AlertFilter, str]]) -> list[Question]:
    def asking(one: AlertFilter) -> Callable[[Any, int], Awaitable[Page]]:
        async def ask(after: Any, limit: int) -> Page:
            found = await store.alerts(one, after=after, limit=limit)
            return len(found), found[-1][1] if found else None

        return ask

    return [Question(name=f"alerts: {name}", index=index, ask=asking(one)) for name, one, index in wanted]


def _occurrences(store: SqlReadStore, wanted: Sequence[tuple[str, OccurrenceFilter, str]]) -> list[Question]:
    def asking(one: OccurrenceFilter) -> Callable[[Any, int], Awaitable[Page]]:
        async def ask(after: Any, limit: int) -> Page:
            found = await store.occurrences(one, ties=TieOrder.NEWEST_FIRST, after=after, limit=limit)
            return len(found), (found[-1].starts_at.micros, found[-1].occurrence_id) if found else None

        return ask

    return [Question(name=f"occurrences: {name}", index=index, ask=asking(one)) for name, one, index in wanted]


def _events(store: SqlEventStore, wanted: Sequence[tuple[str, EventFilter, str]]) -> list[Question]:
    def asking(one: EventFilter) -> Callable[[Any, int], Awaitable[Page]]:
        async def ask(after: Any, limit: int) -> Page:
            found = (await store.page(one, newest_first=True, after=after, limit=limit)).events
            return len(found), position_of(found[-1].cursor) if found else None

        return ask

    return [Question(name=f"events: {name}", index=index, ask=asking(one)) for name, one, index in wanted]
