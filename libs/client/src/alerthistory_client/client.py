"""The typed client: everything that internal tooling asks of the services.

Methods raise the errors of ``alerthistory_common.errors``; NoAnswerError when nothing answers. Lists are async
iterators that fetch page after page, newest first where nothing else is said.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, TypeVar

import grpc

from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.history.v1.history_service_pb2_grpc import HistoryServiceStub
from alerthistory.ingest.v1 import ingest_service_pb2 as ingest_pb2
from alerthistory.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory.publisher.v1.publisher_service_pb2_grpc import PublisherServiceStub
from alerthistory_client import codec
from alerthistory_client.addresses import SERVICES, Addresses, Service
from alerthistory_client.calls import Endpoint
from alerthistory_client.paging import paged
from alerthistory_client.publishing import PublishingClient
from alerthistory_client.records import (
    Alert,
    Classification,
    EnrichmentMode,
    HistoryStatus,
    ImportResult,
    IngestStatus,
    ModeInForce,
    Occurrence,
    PastAlert,
    Payload,
    PayloadResult,
    PublisherStatus,
    QuarantinedPayload,
    ReplayResult,
    RetentionPlan,
    Spool,
    SystemStatus,
)
from alerthistory_client.reports import ReportClient
from alerthistory_client.tailing import Position
from alerthistory_client.verdicts import VerdictClient
from alerthistory_common import alert_codec, telemetry
from alerthistory_common.alerts import AlertEvent, Instant, Severity
from alerthistory_common.channels import open_channel
from alerthistory_common.errors import AlertHistoryError, UnavailableError
from alerthistory_common.matchers import Matcher

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

_T = TypeVar("_T")


@asynccontextmanager
async def open_client(addresses: Addresses, *, timeout_s: float = 10.0) -> AsyncIterator["Client"]:
    """Yield a client of the services at *addresses*; a call takes *timeout_s* at most. It connects on first use."""
    async with AsyncExitStack() as stack:
        by_address: dict[str, grpc.aio.Channel] = {}
        for address in (addresses.of(service) for service in SERVICES):
            if address not in by_address:
                by_address[address] = await stack.enter_async_context(open_channel(address, telemetry.disabled()))
        yield Client({service: by_address[addresses.of(service)] for service in SERVICES}, addresses, timeout_s)


class Client:
    """Speaks with the services; made by ``open_client``.

    What history reports is asked through ``reports``, how serious alerts are through ``verdicts``, and who is told
    about them through ``publishing``.
    """

    def __init__(self, channels: dict[Service, grpc.aio.Channel], addresses: Addresses, timeout_s: float) -> None:
        self.addresses = addresses
        self._ingest = IngestServiceStub(channels["ingest"])
        self._history = HistoryServiceStub(channels["history"])
        self._classifier = ClassifierServiceStub(channels["classifier"])
        self._publisher = PublisherServiceStub(channels["publisher"])
        self._at = {each: Endpoint(service=each, address=addresses.of(each), timeout_s=timeout_s) for each in SERVICES}
        self.reports = ReportClient(channels["history"], self._at["history"])
        self.verdicts = VerdictClient(channels["classifier"], self._at["classifier"])
        self.publishing = PublishingClient(channels["publisher"], self._at["publisher"])

    async def send(self, payloads: Sequence[Payload]) -> list[PayloadResult]:
        """Store *payloads*, 1000 at most; return one result each, in order. Sending again changes nothing."""
        request = ingest_pb2.IngestWebhookRequest(payloads=[codec.payload_message(each) for each in payloads])
        response = await self._at["ingest"].call(self._ingest.IngestWebhook, request)
        return [codec.payload_result(each) for each in response.results]

    async def import_alerts(self, alerts: Sequence[PastAlert], *, sender: str) -> list[ImportResult]:
        """Store alerts of the past, 1000 at most, in the order in which they were received; return one result each.

        They are neither judged nor published. *sender* is kept with them. Importing again changes nothing.
        """
        request = ingest_pb2.ImportAlertsRequest(
            alerts=[codec.past_alert_message(each) for each in alerts], sender=sender
        )
        response = await self._at["ingest"].call(self._ingest.ImportAlerts, request)
        return [codec.import_result(each) for each in response.results]

    async def import_classifications(self, classifications: Sequence[Classification]) -> list[bool]:
        """Store verdicts of the past, 1000 at most; return of each whether it was stored.

        It is not when the alert has the same verdict or a later one. Importing again changes nothing.
        """
        request = classifier_pb2.ImportClassificationsRequest(
            classifications=[codec.classification_message(each) for each in classifications]
        )
        response = await self._at["classifier"].call(self._classifier.ImportClassifications, request)
        return list(response.is_imported)

    async def get_alert(self, fingerprint: str) -> Alert:
        """Return one alert; raise NotFoundError when the fingerprint was never seen."""
        request = history_pb2.GetAlertRequest(fingerprint=fingerprint)
        response = await self._at["history"].call(self._history.GetAlert, request)
        return codec.alert(response.alert)

    def list_alerts(
        self,
        *,
        name: str = "",
        namespace: str = "",
        is_firing: bool | None = None,
        severity: Severity | None = None,
        matchers: Sequence[Matcher] = (),
        search: str = "",
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Alert]:
        """Iterate over the alerts that meet every condition given, last changed first.

        *search* holds words and phrases in double quotes, which name, summary or description must have. The last change
        is not before *since*, and before *until*.
        """
        wanted = history_pb2.AlertFilter(
            alert_name=name,
            namespace=namespace,
            is_firing=is_firing,
            severity=alert_codec.severity_message(severity),
            matchers=map(codec.matcher_message, matchers),
            search=search,
            changed_since=codec.optional_timestamp(since),
            changed_until=codec.optional_timestamp(until),
        )

        async def page(size: int, token: str) -> tuple[list[Alert], str]:
            request = history_pb2.ListAlertsRequest(filter=wanted, page_size=size, page_token=token)
            response = await self._at["history"].call(self._history.ListAlerts, request)
            return [codec.alert(each) for each in response.alerts], response.next_page_token

        return paged(page, limit)

    def list_occurrences(
        self,
        *,
        name: str = "",
        namespace: str = "",
        severity_label: str = "",
        status: str = "",
        fingerprint: str = "",
        matchers: Sequence[Matcher] = (),
        search: str = "",
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Occurrence]:
        """Iterate over the occurrences that meet every condition given, latest start first.

        The start is not before *since*, and before *until*.
        """
        wanted = history_pb2.OccurrenceFilter(
            alert_name=name,
            namespace=namespace,
            severity_label=severity_label,
            status=status,
            fingerprint=fingerprint,
            matchers=map(codec.matcher_message, matchers),
            search=search,
            started_since=codec.optional_timestamp(since),
            started_until=codec.optional_timestamp(until),
        )

        async def page(size: int, token: str) -> tuple[list[Occurrence], str]:
            request = history_pb2.ListOccurrencesRequest(filter=wanted, page_size=size, page_token=token)
            response = await self._at["history"].call(self._history.ListOccurrences, request)
            return [codec.occurrence(each) for each in response.occurrences], response.next_page_token

        return paged(page, limit)

    def list_events(
        self,
        fingerprint: str = "",
        *,
        name: str = "",
        namespace: str = "",
        is_firing: bool | None = None,
        severity: Severity | None = None,
        matchers: Sequence[Matcher] = (),
        search: str = "",
        since: Instant | None = None,
        until: Instant | None = None,
        newest_first: bool = True,
        limit: int | None = None,
    ) -> AsyncIterator[AlertEvent]:
        """Iterate over the events of one alert, or of all, that meet every condition given.

        *is_firing* is whether the alert fires afterwards. The event is not before *since*, and before *until*.
        """
        wanted = history_pb2.EventFilter(
            alert_name=name,
            namespace=namespace,
            is_firing=is_firing,
            severity=alert_codec.severity_message(severity),
            matchers=map(codec.matcher_message, matchers),
            search=search,
            occurred_since=codec.optional_timestamp(since),
            occurred_until=codec.optional_timestamp(until),
        )

        async def page(size: int, token: str) -> tuple[list[AlertEvent], str]:
            request = history_pb2.ListEventsRequest(
                fingerprint=fingerprint, newest_first=newest_first, page_size=size, page_token=token, filter=wanted
            )
            response = await self._at["history"].call(self._history.ListEvents, request)
            return [codec.event(each) for each in response.events], response.next_page_token

        return paged(page, limit)

    async def tail(
        self,
        *,
        cursor: str = "",
        backlog: int = 0,
        on_pause: Callable[[UnavailableError], None] = lambda _: None,
    ) -> AsyncGenerator[AlertEvent, None]:
        """Iterate over events as they happen, without end and without a gap.

        Begins after the event with *cursor*, or *backlog* events ago, or now. When history goes away the iteration
        pauses, *on_pause* is told once, and it goes on where it stood; only the first contact must succeed. Every event
        holds its cursor: keep the last one to go on in another process.
        """
        newest = [event async for event in self.list_events(limit=1)]
        position = Position.first(cursor=cursor, backlog=backlog, latest=newest[0].cursor if newest else None)
        pause_s = 0.0
        while True:
            try:
                async with aclosing(self._events_from(position)) as events:
                    async for event in events:
                        position = Position(cursor=event.cursor)
                        pause_s = 0.0
                        yield event
            except UnavailableError as error:
                if not pause_s:
                    on_pause(error)
            pause_s = min(pause_s * 2 or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def status(self) -> SystemStatus:
        """Return the figures of every service, or why it did not give them."""
        async with asyncio.TaskGroup() as tasks:
            history = tasks.create_task(_or_error(self._history_status()))
            ingest = tasks.create_task(_or_error(self._ingest_status()))
            classifier = tasks.create_task(_or_error(self.verdicts.status()))
            publisher = tasks.create_task(_or_error(self._publisher_status()))
        return SystemStatus(
            history=history.result(),
            ingest=ingest.result(),
            classifier=classifier.result(),
            publisher=publisher.result(),
        )

    async def spool(self) -> Spool:
        """Return what waits on the disk of the replica of ingest that answers."""
        return (await self._ingest_status()).spool

    async def plan_retention(self, *, days: int | None = None) -> RetentionPlan:
        """Return what retention would delete now, with the days that are set or with *days*; nothing is deleted."""
        request = history_pb2.PlanRetentionRequest(days=days or 0)
        response = await self._at["history"].call(self._history.PlanRetention, request)
        return codec.retention_plan(response)

    def list_quarantine(self, *, limit: int | None = None) -> AsyncIterator[QuarantinedPayload]:
        """Iterate over the payloads that could not be stored in whole or part, newest first."""

        async def page(size: int, token: str) -> tuple[list[QuarantinedPayload], str]:
            request = ingest_pb2.ListQuarantineRequest(page_size=size, page_token=token)
            response = await self._at["ingest"].call(self._ingest.ListQuarantine, request)
            return [codec.quarantined(each) for each in response.payloads], response.next_page_token

        return paged(page, limit)

    async def replay_quarantine(self, quarantine_ids: Sequence[int]) -> list[ReplayResult]:
        """Store quarantined payloads anew, 1000 at most; return one result each, in order."""
        request = ingest_pb2.ReplayQuarantineRequest(quarantine_ids=quarantine_ids)
        response = await self._at["ingest"].call(self._ingest.ReplayQuarantine, request)
        return [codec.replay_result(each) for each in response.results]

    async def get_mode(self) -> ModeInForce:
        """Return the enrichment mode."""
        response = await self._at["classifier"].call(self._classifier.GetMode, classifier_pb2.GetModeRequest())
        return codec.mode_in_force(response)

    async def set_mode(self, mode: EnrichmentMode, *, author: str = "") -> ModeInForce:
        """Set the enrichment mode, durably; return what is in force now. *author* is kept for the audit."""
        request = classifier_pb2.SetModeRequest(mode=codec.MODES[mode], author=author)
        response = await self._at["classifier"].call(self._classifier.SetMode, request)
        return codec.mode_in_force(response)

    async def _events_from(self, position: Position) -> AsyncGenerator[AlertEvent, None]:
        stream = self._history.TailEvents(position.request(), wait_for_ready=False)
        try:
            async for response in stream:
                for message in response.events:
                    yield codec.event(message)
        except grpc.aio.AioRpcError as error:
            raise self._at["history"].explain(error) from error
        finally:
            stream.cancel()

    async def _history_status(self) -> HistoryStatus:
        response = await self._at["history"].call(self._history.GetStatus, history_pb2.GetStatusRequest())
        return codec.history_status(response)

    async def _ingest_status(self) -> IngestStatus:
        response = await self._at["ingest"].call(self._ingest.GetStatus, ingest_pb2.GetStatusRequest())
        return codec.ingest_status(response)

    async def _publisher_status(self) -> PublisherStatus:
        response = await self._at["publisher"].call(self._publisher.GetStatus, publisher_pb2.GetStatusRequest())
        return codec.publisher_status(response)


async def _or_error(answer: Coroutine[Any, Any, _T]) -> _T | AlertHistoryError:
    try:
        return await answer
    except AlertHistoryError as error:
        return error
