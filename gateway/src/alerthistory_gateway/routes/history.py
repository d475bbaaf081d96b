"""``GET /history``: the occurrences, latest start first."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute
from starlette.types import Message, Send

from alerthistory.alert.v1.alert_pb2 import Occurrence
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory_common.alert_codec import instant
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.ordering import tie_order
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import read_query

_MAX_ALERTS = 100_000
_PAGE = 1000
_NONE = history_pb2.ListOccurrencesResponse()


class HistoryQuery(BaseModel):
    """What can be asked of ``/history``. Empty texts do not restrict."""

    alertname: str = ""
    status: str = ""
    fingerprint: str = ""
    start_time: str = ""
    end_time: str = ""
    limit: int = 100


class HistoryEndpoint:
    """Lists occurrences."""

    def __init__(self, services: Services, *, timeout_s: float) -> None:
        self._services = services
        self._timeout_s = timeout_s

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [ExactRoute("GET", "/history", self.get)]

    async def get(self, request: Request) -> Response:
        """Return the alerts asked for: at once when one page holds them, otherwise page by page as they come.

        The first page is there before the answer begins, so that a service that is away is a 503.
        """
        query = read_query(request, HistoryQuery)
        wanted = _MAX_ALERTS if query.limit < 0 else min(query.limit, _MAX_ALERTS)
        asked = history_pb2.ListOccurrencesRequest(
            filter=history_pb2.OccurrenceFilter(
                alert_name=query.alertname,
                status=query.status,
                fingerprint=query.fingerprint,
                starts_at_text_from=query.start_time,
                starts_at_text_to=query.end_time,
            ),
            tie_order=tie_order(is_filtered=bool(query.alertname or query.status)),
        )
        first = await self._page(asked, wanted) if wanted else _NONE
        if wanted > len(first.occurrences) and first.next_page_token:
            pages = self._following(asked, first, wanted)
            return _SteadyStream(_document(pages), self._timeout_s)
        return Response(_begin(first.occurrences) + _end(len(first.occurrences)), media_type="application/json")

    async def _page(
        self, asked: history_pb2.ListOccurrencesRequest, wanted: int
    ) -> history_pb2.ListOccurrencesResponse:
        asked.page_size = min(wanted, _PAGE)
        return await ask("history", self._services.history.ListOccurrences, asked, timeout_s=self._timeout_s)

    async def _following(
        self, asked: history_pb2.ListOccurrencesRequest, first: history_pb2.ListOccurrencesResponse, wanted: int
    ) -> AsyncIterator[Sequence[Occurrence]]:
        page = first
        while True:
            yield page.occurrences
            wanted -= len(page.occurrences)
            if wanted <= 0 or not page.next_page_token:
                return
            asked.page_token = page.next_page_token
            page = await self._page(asked, wanted)


class _SteadyStream(StreamingResponse):
    """A JSON document in pieces, each of which the client must take within *timeout_s*."""

    def __init__(self, content: AsyncIterator[bytes], timeout_s: float) -> None:
        super().__init__(content, media_type="application/json")
        self._timeout_s = timeout_s

    async def stream_response(self, send: Send) -> None:
        """Send all pieces; raise TimeoutError, which breaks the connection, when the client takes none."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._timeout_s):
                await send(message)

        await super().stream_response(send_in_time)


async def _document(pages: AsyncIterator[Sequence[Occurrence]]) -> AsyncIterator[bytes]:
    total = 0
    async for page in pages:
        yield b"," + _alerts(page) if total else _begin(page)
        total += len(page)
    yield _end(total)


def _begin(page: Sequence[Occurrence]) -> bytes:
    return b'{"alerts":[' + _alerts(page)


def _end(total: int) -> bytes:
    return b'],"total":%d}' % total


def _alerts(page: Sequence[Occurrence]) -> bytes:
    return b",".join(_alert(each) for each in page)


def _alert(occurrence: Occurrence) -> bytes:
    """Return one alert as the contract shows it; labels and annotations are stored in that form already."""
    return b"".join(
        (
            b'{"fingerprint":',
            _text(occurrence.fingerprint),
            b',"alertname":',
            _text(occurrence.alert_name),
            b',"status":"firing","labels":' if occurrence.is_firing else b',"status":"resolved","labels":',
            occurrence.labels_json,
            b',"annotations":',
            occurrence.annotations_json,
            b',"startsAt":"',
            instant(occurrence.starts_at).iso_utc().encode(),
            b'","endsAt":',
            _text(instant(occurrence.ends_at).iso_utc()) if occurrence.HasField("ends_at") else b"null",
            b',"generatorURL":',
            _text(occurrence.generator_url) if occurrence.HasField("generator_url") else b"null",
            b"}",
        )
    )


def _text(value: str) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
