"""The RPCs of ``PublisherService``: protobuf to domain and back, and no rules."""

from collections.abc import Iterable
from datetime import timedelta

from msgspec.structs import replace

from alerthistory.publisher.v1 import (
    delivery_pb2,
    publisher_service_pb2,
    publisher_service_pb2_grpc,
)
from alerthistory_common import alert_codec, paging
from alerthistory_common.alerts import Fingerprint, Instant
from alerthistory_common.breaker import BreakerState
from alerthistory_common.clock import Clock
from alerthistory_common.errors import FieldViolation, InvalidArgumentError, PageTokenMismatchError
from alerthistory_common.telemetry import current_traceparent
from alerthistory_publisher.application.planning import Planning
from alerthistory_publisher.application.publish import Publishing
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.decisions import Action, Decision
from alerthistory_publisher.domain.deliveries import Delivery, DeliveryFilter, DeliveryState, Publication, TargetFigures
from alerthistory_publisher.domain.targets import PublishingMode, Target
from alerthistory_publisher.servicer.messages import Context, optional_timestamp

_MAX_ITEMS = 1000

_MAX_EVENT_ID = 200

_PAGE_SIZE = 50

_REPLAY_RATE = 10.0

_SLOWEST_REPLAY, _FASTEST_REPLAY = 0.01, 1000

_STATES = {
    DeliveryState.PENDING: delivery_pb2.DELIVERY_STATE_PENDING,
    DeliveryState.DELIVERED: delivery_pb2.DELIVERY_STATE_DELIVERED,
    DeliveryState.DEAD: delivery_pb2.DELIVERY_STATE_DEAD,
    DeliveryState.FILTERED: delivery_pb2.DELIVERY_STATE_FILTERED,
    DeliveryState.SUPERSEDED: delivery_pb2.DELIVERY_STATE_SUPERSEDED,
}

_MODES = {
    PublishingMode.INTELLIGENT: publisher_service_pb2.PUBLISHING_MODE_INTELLIGENT,
    PublishingMode.METRICS_ONLY: publisher_service_pb2.PUBLISHING_MODE_METRICS_ONLY,
}

_PUBLISH_ACTIONS = {
    Action.SEND: publisher_service_pb2.PUBLISH_ACTION_SEND,
    Action.HOLD: publisher_service_pb2.PUBLISH_ACTION_HOLD,
    Action.FILTER: publisher_service_pb2.PUBLISH_ACTION_FILTER,
    Action.SUPERSEDE: publisher_service_pb2.PUBLISH_ACTION_SUPERSEDE,
}

_BREAKERS = {
    BreakerState.CLOSED: publisher_service_pb2.BREAKER_STATE_CLOSED,
    BreakerState.OPEN: publisher_service_pb2.BREAKER_STATE_OPEN,
    BreakerState.HALF_OPEN: publisher_service_pb2.BREAKER_STATE_HALF_OPEN,
}

_STATES_BACK = {value: key for key, value in _STATES.items()}


class PublisherServicer(publisher_service_pb2_grpc.PublisherServiceServicer):
    """Orders deliveries and shows them."""

    def __init__(self, publishing: Publishing, planning: Planning, directory: TargetDirectory, *, clock: Clock) -> None:
        self._publishing = publishing
        self._planning = planning
        self._directory = directory
        self._clock = clock
        self._started_at = clock.now()

    async def PublishAlerts(  # noqa: N802  # gRPC's spelling, as below.
        self,
        request: publisher_service_pb2.PublishAlertsRequest,
        context: Context,
    ) -> publisher_service_pb2.PublishAlertsResponse:
        """Order the delivery of events; OK once that is durable."""
        _check_count(len(request.publications), "publications")
        told = await self._publishing.publish(_publications(request.publications))
        return publisher_service_pb2.PublishAlertsResponse(
            results=[publisher_service_pb2.PublishResult(targets=names) for names in told]
        )

    async def ExplainPublish(  # noqa: N802
        self,
        request: publisher_service_pb2.ExplainPublishRequest,
        context: Context,
    ) -> publisher_service_pb2.ExplainPublishResponse:
        """Say what would be done about an event, and why; nothing is."""
        (publication,) = _publications([request.publication])
        now = alert_codec.instant(request.at) if request.HasField("at") else self._clock.now()
        explained = await self._planning.explain(publication, now=now)
        return publisher_service_pb2.ExplainPublishResponse(
            explanations=[_explanation_message(target, decision) for target, decision in explained]
        )

    async def ListDeliveries(  # noqa: N802
        self,
        request: publisher_service_pb2.ListDeliveriesRequest,
        context: Context,
    ) -> publisher_service_pb2.ListDeliveriesResponse:
        """Return a page of deliveries, newest first."""
        size = paging.page_size(request.page_size, default=_PAGE_SIZE)
        wanted = _filter(request.filter)
        before = _before(paging.decode_token(request.page_token, wanted))
        found = await self._publishing.page(wanted, limit=size + 1, before=before)
        token = paging.encode_token((found[size - 1].delivery_id,), wanted) if len(found) > size else ""
        return publisher_service_pb2.ListDeliveriesResponse(
            deliveries=[_delivery_message(each) for each in found[:size]], next_page_token=token
        )

    async def RetryDeliveries(  # noqa: N802
        self,
        request: publisher_service_pb2.RetryDeliveriesRequest,
        context: Context,
    ) -> publisher_service_pb2.RetryDeliveriesResponse:
        """Make dead deliveries pending again."""
        _check_count(len(request.delivery_ids), "delivery_ids")
        count = await self._publishing.retry(request.delivery_ids)
        return publisher_service_pb2.RetryDeliveriesResponse(retried_count=count)

    async def ReplayDeliveries(  # noqa: N802
        self,
        request: publisher_service_pb2.ReplayDeliveriesRequest,
        context: Context,
    ) -> publisher_service_pb2.ReplayDeliveriesResponse:
        """Make the dead deliveries of a filter pending again, spread over time."""
        rate = request.deliveries_per_second or _REPLAY_RATE
        if not _SLOWEST_REPLAY <= rate <= _FASTEST_REPLAY:
            description = f"must be {_SLOWEST_REPLAY} to {_FASTEST_REPLAY}"
            violation = FieldViolation(field="deliveries_per_second", description=description)
            raise InvalidArgumentError(f"deliveries_per_second {description}", violation)
        replay = await self._publishing.replay(
            _filter(request.filter), interval=timedelta(seconds=1 / rate), is_dry_run=request.is_dry_run
        )
        return publisher_service_pb2.ReplayDeliveriesResponse(
            replayed_count=replay.count,
            superseded_count=replay.superseded_count,
            last_due_at=optional_timestamp(replay.last_due_at),
            has_more=replay.has_more,
        )

    async def GetStats(  # noqa: N802
        self,
        request: publisher_service_pb2.GetStatsRequest,
        context: Context,
    ) -> publisher_service_pb2.GetStatsResponse:
        """Count the deliveries of every target."""
        found = await self._publishing.figures_by_target()
        return publisher_service_pb2.GetStatsResponse(
            targets=[_stats_message(each) for each in found],
            recently_fired_alerts=await self._publishing.recently_fired(),
        )

    async def GetStatus(  # noqa: N802
        self,
        request: publisher_service_pb2.GetStatusRequest,
        context: Context,
    ) -> publisher_service_pb2.GetStatusResponse:
        """Return figures for dashboards."""
        figures = await self._publishing.figures()
        since = figures.oldest_pending_at
        age = None if since is None else alert_codec.duration(_age(since, self._clock.now()))
        return publisher_service_pb2.GetStatusResponse(
            targets=len(self._directory.targets),
            enabled_targets=len(self._directory.enabled()),
            pending=figures.pending,
            delivered=figures.delivered,
            dead=figures.dead,
            oldest_pending_age=age,
            started_at=alert_codec.timestamp(self._started_at),
            mode=_MODES[self._directory.mode],
            targets_refreshed_at=optional_timestamp(self._directory.refreshed_at),
            is_kubernetes_available=self._directory.is_kubernetes_available,
            target_problems=len(self._directory.problems),
        )


def _check_count(count: int, field: str) -> None:
    if count > _MAX_ITEMS:
        violation = FieldViolation(field=field, description=f"must hold at most {_MAX_ITEMS}")
        raise InvalidArgumentError(f"{field} holds {count}, at most {_MAX_ITEMS} are taken", violation)


def _publications(messages: Iterable[publisher_service_pb2.Publication]) -> list[Publication]:
    """Return the publications; raise InvalidArgumentError naming every one that cannot be understood."""
    found, violations = [], []
    for number, message in enumerate(messages):
        try:
            found.append(_publication(message))
        except ValueError as error:
            violations.append(FieldViolation(field=f"publications[{number}]", description=str(error)))
    if violations:
        raise InvalidArgumentError("some publications cannot be understood", *violations)
    return found


def _publication(message: publisher_service_pb2.Publication) -> Publication:
    event = alert_codec.event(message.event)
    if not 0 < len(event.event_id) <= _MAX_EVENT_ID:
        raise ValueError(f"event_id must have 1 to {_MAX_EVENT_ID} characters")
    return Publication(
        event=replace(event, traceparent=event.traceparent or current_traceparent()),
        verdict=alert_codec.verdict(message.verdict) if message.HasField("verdict") else None,
    )


def _filter(message: publisher_service_pb2.DeliveryFilter) -> DeliveryFilter:
    if message.state and message.state not in _STATES_BACK:
        violation = FieldViolation(field="filter.state", description="must be a known state")
        raise InvalidArgumentError(f"unknown state {message.state}", violation)
    return DeliveryFilter(
        state=_STATES_BACK.get(message.state),
        target=message.target or None,
        fingerprint=Fingerprint(message.fingerprint) if message.fingerprint else None,
        ordered_since=alert_codec.instant(message.ordered_since) if message.HasField("ordered_since") else None,
        ordered_before=alert_codec.instant(message.ordered_before) if message.HasField("ordered_before") else None,
        last_result_contains=message.last_result_contains,
    )


def _before(cursor: paging.Cursor | None) -> int | None:
    match cursor:
        case None:
            return None
        case (int() as before,) if 0 < before < 2**63:
            return before
        case _:
            raise PageTokenMismatchError("page_token is not one of ours")


def _delivery_message(delivery: Delivery) -> delivery_pb2.Delivery:
    return delivery_pb2.Delivery(
        delivery_id=delivery.delivery_id,
        event_id=delivery.event_id,
        target=delivery.target,
        fingerprint=delivery.fingerprint,
        alert_name=delivery.alert_name,
        kind=alert_codec.kind_message(delivery.kind),
        state=_STATES[delivery.state],
        attempts=delivery.attempts,
        last_result=delivery.last_result,
        last_status_code=delivery.last_status_code,
        created_at=alert_codec.timestamp(delivery.ordered_at),
        next_attempt_at=optional_timestamp(delivery.next_attempt_at),
        delivered_at=optional_timestamp(delivery.delivered_at),
        decision=delivery.decision,
        receipt=delivery.receipt,
    )


def _explanation_message(target: Target, decision: Decision) -> publisher_service_pb2.PublishExplanation:
    return publisher_service_pb2.PublishExplanation(
        target=target.name,
        action=_PUBLISH_ACTIONS[decision.action],
        decided_by=decision.decided_by,
        reason=decision.reason,
        due_at=optional_timestamp(decision.due_at),
    )


def _stats_message(figures: TargetFigures) -> publisher_service_pb2.TargetStats:
    seen = figures.breaker
    return publisher_service_pb2.TargetStats(
        target=figures.target,
        delivered=figures.delivered,
        dead=figures.dead,
        pending=figures.pending,
        last_delivered_at=optional_timestamp(figures.last_delivered_at),
        filtered=figures.filtered,
        superseded=figures.superseded,
        breaker_state=publisher_service_pb2.BREAKER_STATE_UNSPECIFIED if seen is None else _BREAKERS[seen.state],
        breaker_open_until=None if seen is None else optional_timestamp(seen.open_until),
    )


def _age(since: Instant, now: Instant) -> timedelta:
    return max(timedelta(microseconds=now.micros - since.micros), timedelta(0))
