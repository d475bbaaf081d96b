"""Answering questions about alerts, occurrences and quarantined payloads."""

from alerthistory_common import paging
from alerthistory_common.alerts import Fingerprint, Instant
from alerthistory_common.errors import NotFoundError, PageTokenMismatchError
from alerthistory_history.domain import legacy, stats
from alerthistory_history.domain.records import (
    AlertFilter,
    AlertRecord,
    Occurrence,
    OccurrenceFilter,
    QuarantinedPayload,
    ReportRow,
    TieOrder,
)
from alerthistory_history.ports import QuarantineStore, ReadStore

from .pages import Page
from .patience import Patience

_MAX_COUNTED = 10_000


async def get_alert(store: ReadStore, fingerprint: str) -> AlertRecord:
    """Return one alert; raise NotFoundError when it was never seen."""
    found = await store.alert(Fingerprint(fingerprint))
    if found is None:
        raise NotFoundError(f"no alert has the fingerprint {fingerprint[:64]!r}")
    return found


async def list_alerts(
    store: ReadStore, wanted: AlertFilter, patience: Patience, *, page_size: int, page_token: str
) -> Page[tuple[AlertRecord, tuple[int, bytes]]]:
    """Return a page of alerts, last changed first."""
    size = paging.page_size(page_size, default=50)
    question = ("alerts", wanted)
    after = _place(paging.decode_token(page_token, *question))
    async with patience.within():
        found = await store.alerts(wanted, after=after, limit=size + 1)
    return Page.cut(
        found,
        size,
        lambda each: (each[1][0], each[1][1].hex()),
        question,
        weigh=lambda each: len(each[0].alert.labels_json) + len(each[0].alert.state.annotations_json),
    )


async def list_occurrences(
    store: ReadStore, wanted: OccurrenceFilter, patience: Patience, *, ties: TieOrder, page_size: int, page_token: str
) -> Page[Occurrence]:
    """Return a page of occurrences, latest start first."""
    size = paging.page_size(page_size, default=100)
    question = ("occurrences", wanted, ties)
    after = _pair(paging.decode_token(page_token, *question))
    async with patience.within():
        found = await store.occurrences(wanted, ties=ties, after=after, limit=size + 1)
    return Page.cut(
        found,
        size,
        lambda each: (each.starts_at.micros, each.occurrence_id),
        question,
        weigh=lambda each: len(each.labels_json) + len(each.annotations_json),
    )


async def get_report(store: ReadStore, wanted: OccurrenceFilter, *, group_by: str, max_count: int) -> list[ReportRow]:
    """Return the counts of the first *max_count* occurrences in history order, by key."""
    return legacy.count(await store.counted(wanted, limit=max_count), group_by)


async def get_stats(store: ReadStore, *, hours: int, now: Instant) -> stats.Stats:
    """Return what the dashboard counts, looking back *hours* from *now*."""
    since = stats.begin(now, hours)
    received = await store.received(since=since, limit=_MAX_COUNTED)
    return stats.Stats(
        totals=await store.totals(limit=_MAX_COUNTED),
        received=await store.received_count(since=since),
        recent=stats.recent(received, now, hours),
    )


async def list_quarantine(store: QuarantineStore, *, page_size: int, page_token: str) -> Page[QuarantinedPayload]:
    """Return a page of quarantined payloads without their bodies, newest first."""
    size = paging.page_size(page_size, default=50)
    after = _pair(paging.decode_token(page_token, "quarantine"))
    found = await store.page(after=after, limit=size + 1)
    return Page.cut(found, size, lambda each: (each.received_at.micros, each.quarantine_id), ("quarantine",))


async def get_quarantined(store: QuarantineStore, quarantine_id: int) -> QuarantinedPayload:
    """Return one quarantined payload with its body; raise NotFoundError when it does not exist."""
    found = await store.payload(quarantine_id)
    if found is None:
        raise NotFoundError(f"quarantine holds no payload {quarantine_id}")
    return found


def _place(cursor: paging.Cursor | None) -> tuple[int, bytes] | None:
    if cursor is None:
        return None
    try:
        seen, key = cursor
        return int(seen), bytes.fromhex(str(key))
    except ValueError as error:
        raise PageTokenMismatchError("page_token is not one of ours") from error


def _pair(cursor: paging.Cursor | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    try:
        first, second = map(int, cursor)
    except ValueError as error:
        raise PageTokenMismatchError("page_token is not one of ours") from error
    return first, second
