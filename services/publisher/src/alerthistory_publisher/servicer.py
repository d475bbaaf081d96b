"""The RPCs of the publisher: protobuf to domain and back, and no rules."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec.structs import replace

from alerthistory.publisher.v1 import (
    delivery_pb2,
    filter_rule_pb2,
    filter_service_pb2,
    filter_service_pb2_grpc,
    publisher_service_pb2,
    publisher_service_pb2_grpc,
    target_pb2,
    target_service_pb2,
    target_service_pb2_grpc,
)
from alerthistory_common import alert_codec, paging
from alerthistory_common.alerts import Fingerprint, Instant
from alerthistory_common.breaker import BreakerState
from alerthistory_common.clock import Clock
from alerthistory_common.errors import FieldViolation, InvalidArgumentError, PageTokenMismatchError
from alerthistory_common.telemetry import current_traceparent
from alerthistory_publisher.application.filtering import Filtering
from alerthistory_publisher.application.planning import Planning
from alerthistory_publisher.application.previewing import Previewing
from alerthistory_publisher.application.publish import Publishing
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.application.testing import TEST_TIMEOUT, Testing
from alerthistory_publisher.domain.decisions import Action, Decision
from alerthistory_publisher.domain.deliveries import Delivery, DeliveryFilter, DeliveryState, Publication, TargetFigures
from alerthistory_publisher.domain.filters import DEFAULT_PRIORITY, FilterAction, FilterRule
from alerthistory_publisher.domain.formats.choice import limits_of
from alerthistory_publisher.domain.target_sets import TargetProblem
from alerthistory_publisher.domain.targets import PublishingMode, Target, shown_url

Context = grpc.aio.ServicerContext[Any, Any]

_MAX_ITEMS = 1000
_MAX_EVENT_ID = 200
_MAX_NAME = 1000
_MAX_PRIORITY = 1000
_MAX_CONDITIONS_BYTES = 64 * 1024
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
_MODES = {
    PublishingMode.INTELLIGENT: publisher_service_pb2.PUBLISHING_MODE_INTELLIGENT,
    PublishingMode.METRICS_ONLY: publisher_service_pb2.PUBLISHING_MODE_METRICS_ONLY,
}
_ACTIONS = {
    FilterAction.ALLOW: filter_rule_pb2.FILTER_ACTION_ALLOW,
    FilterAction.DENY: filter_rule_pb2.FILTER_ACTION_DENY,
    FilterAction.DELAY: filter_rule_pb2.FILTER_ACTION_DELAY,
}
_ACTIONS_BACK = {value: key for key, value in _ACTIONS.items()}
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
            last_due_at=_optional_timestamp(replay.last_due_at),
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
            targets_refreshed_at=_optional_timestamp(self._directory.refreshed_at),
            is_kubernetes_available=self._directory.is_kubernetes_available,
            target_problems=len(self._directory.problems),
        )


class TargetServicer(target_service_pb2_grpc.TargetServiceServicer):
    """Shows, reloads and tests the targets."""

    def __init__(self, directory: TargetDirectory, testing: Testing, previewing: Previewing, *, clock: Clock) -> None:
        self._directory = directory
        self._testing = testing
        self._previewing = previewing
        self._clock = clock

    async def ListTargets(  # noqa: N802
        self,
        request: target_service_pb2.ListTargetsRequest,
        context: Context,
    ) -> target_service_pb2.ListTargetsResponse:
        """Return all targets in the order of their configuration."""
        return target_service_pb2.ListTargetsResponse(
            targets=_target_messages(self._directory.targets), problems=_problem_messages(self._directory.problems)
        )

    async def GetTarget(  # noqa: N802
        self,
        request: target_service_pb2.GetTargetRequest,
        context: Context,
    ) -> target_service_pb2.GetTargetResponse:
        """Return one target; NOT_FOUND when there is none of this name."""
        (message,) = _target_messages([self._directory.get(request.name)])
        return target_service_pb2.GetTargetResponse(target=message)

    async def RefreshTargets(  # noqa: N802
        self,
        request: target_service_pb2.RefreshTargetsRequest,
        context: Context,
    ) -> target_service_pb2.RefreshTargetsResponse:
        """Read the configuration anew; FAILED_PRECONDITION when it is wrong."""
        await self._directory.refresh(asked_at=self._clock.now())
        return target_service_pb2.RefreshTargetsResponse(
            targets=_target_messages(self._directory.targets), problems=_problem_messages(self._directory.problems)
        )

    async def TestTarget(  # noqa: N802
        self,
        request: target_service_pb2.TestTargetRequest,
        context: Context,
    ) -> target_service_pb2.TestTargetResponse:
        """Send a test alert, once; what came of it is an answer, never an error."""
        limit = request.timeout.ToTimedelta() if request.HasField("timeout") else TEST_TIMEOUT
        result = await self._testing.test(request.target, request.alert_json, limit=limit)
        return target_service_pb2.TestTargetResponse(
            is_delivered=result.is_delivered,
            status_code=result.status,
            response_time=alert_codec.duration(result.response_time),
            problem=result.problem,
        )

    async def PreviewTarget(  # noqa: N802
        self,
        request: target_service_pb2.PreviewTargetRequest,
        context: Context,
    ) -> target_service_pb2.PreviewTargetResponse:
        """Return what would be sent about an alert, without secrets."""
        preview = self._previewing.preview(
            request.target,
            request.alert_json,
            alert_codec.verdict(request.verdict) if request.HasField("verdict") else None,
            request.title_template if request.HasField("title_template") else None,
            request.description_template if request.HasField("description_template") else None,
        )
        return target_service_pb2.PreviewTargetResponse(
            method=preview.method, url=preview.url_shown, headers=preview.headers, body=preview.body
        )


class FilterServicer(filter_service_pb2_grpc.FilterServiceServicer):
    """Keeps the filter rules."""

    def __init__(self, filtering: Filtering) -> None:
        self._filtering = filtering

    async def ListRules(  # noqa: N802
        self,
        request: filter_service_pb2.ListRulesRequest,
        context: Context,
    ) -> filter_service_pb2.ListRulesResponse:
        """Return all rules, by priority."""
        rules = await self._filtering.rules()
        return filter_service_pb2.ListRulesResponse(rules=[_rule_message(each) for each in rules])

    async def CreateRule(  # noqa: N802
        self,
        request: filter_service_pb2.CreateRuleRequest,
        context: Context,
    ) -> filter_service_pb2.CreateRuleResponse:
        """Add a rule; OK once it is durable."""
        rule = _rule(request.rule)
        await self._filtering.add(rule)
        return filter_service_pb2.CreateRuleResponse(rule=_rule_message(rule))

    async def DeleteRule(  # noqa: N802
        self,
        request: filter_service_pb2.DeleteRuleRequest,
        context: Context,
    ) -> filter_service_pb2.DeleteRuleResponse:
        """Delete all rules of a name for a target; NOT_FOUND when there is none."""
        count = await self._filtering.delete(request.name, request.target)
        return filter_service_pb2.DeleteRuleResponse(deleted_count=count)


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
        next_attempt_at=_optional_timestamp(delivery.next_attempt_at),
        delivered_at=_optional_timestamp(delivery.delivered_at),
        decision=delivery.decision,
        receipt=delivery.receipt,
    )


def _rule(message: filter_rule_pb2.FilterRule) -> FilterRule:
    """Return the rule in *message*; raise InvalidArgumentError naming every field that cannot be used."""
    priority = message.priority or DEFAULT_PRIORITY
    problems = {
        "rule.name": "" if 0 < len(message.name) <= _MAX_NAME else f"must have 1 to {_MAX_NAME} characters",
        "rule.action": "" if message.action in _ACTIONS_BACK else "must be allow, deny or delay",
        "rule.conditions_json": _conditions_problem(message.conditions_json),
        "rule.priority": "" if 1 <= priority <= _MAX_PRIORITY else f"must be 1 to {_MAX_PRIORITY}",
        "rule.target": "" if len(message.target) <= _MAX_NAME else f"must have at most {_MAX_NAME} characters",
    }
    violations = [FieldViolation(field=field, description=text) for field, text in problems.items() if text]
    if violations:
        text = "; ".join(f"{each.field} {each.description}" for each in violations)
        raise InvalidArgumentError(f"the filter rule cannot be used: {text}", *violations)
    return FilterRule(
        name=message.name,
        action=_ACTIONS_BACK[message.action],
        conditions_json=message.conditions_json or b"{}",
        priority=priority,
        is_enabled=message.is_enabled,
        target=message.target,
    )


def _conditions_problem(content: bytes) -> str:
    if len(content) > _MAX_CONDITIONS_BYTES:
        return f"must have at most {_MAX_CONDITIONS_BYTES} bytes"
    try:
        is_object = isinstance(json.loads(content.decode() or "{}"), dict)
    except (ValueError, RecursionError):
        is_object = False
    return "" if is_object else "must be a JSON object"


def _rule_message(rule: FilterRule) -> filter_rule_pb2.FilterRule:
    return filter_rule_pb2.FilterRule(
        name=rule.name,
        action=_ACTIONS[rule.action],
        conditions_json=rule.conditions_json,
        priority=rule.priority,
        is_enabled=rule.is_enabled,
        target=rule.target,
    )


def _explanation_message(target: Target, decision: Decision) -> publisher_service_pb2.PublishExplanation:
    return publisher_service_pb2.PublishExplanation(
        target=target.name,
        action=_PUBLISH_ACTIONS[decision.action],
        decided_by=decision.decided_by,
        reason=decision.reason,
        due_at=_optional_timestamp(decision.due_at),
    )


def _stats_message(figures: TargetFigures) -> publisher_service_pb2.TargetStats:
    seen = figures.breaker
    return publisher_service_pb2.TargetStats(
        target=figures.target,
        delivered=figures.delivered,
        dead=figures.dead,
        pending=figures.pending,
        last_delivered_at=_optional_timestamp(figures.last_delivered_at),
        filtered=figures.filtered,
        superseded=figures.superseded,
        breaker_state=publisher_service_pb2.BREAKER_STATE_UNSPECIFIED if seen is None else _BREAKERS[seen.state],
        breaker_open_until=None if seen is None else _optional_timestamp(seen.open_until),
    )


def _target_messages(targets: Iterable[Target]) -> list[target_pb2.Target]:
    return [
        target_pb2.Target(
            name=each.name,
            format=each.format,
            address=each.address,
            is_enabled=each.is_enabled,
            sends_resolved=each.sends_resolved,
            url=shown_url(each.url),
            source=each.source,
            rate_limits=limits_of(each),
            concurrency=each.concurrency,
            filter_json=_filter_json(each),
        )
        for each in targets
    ]


def _filter_json(target: Target) -> bytes:
    """Return what of its configuration decides which alerts a target is told, under the names it has there."""
    wanted = target.filter
    filters = {
        "severity": sorted(wanted.severities),
        "namespaces": sorted(wanted.namespaces),
        "exclude_noise": wanted.exclude_noise,
        "min_confidence": wanted.min_confidence,
        "alert_name_pattern": wanted.alert_name_pattern,
    }
    shown = {
        "filter": {name: value for name, value in filters.items() if value},
        "matchers": [str(matcher) for matcher in wanted.matchers],
        "active_times": [str(each) for each in wanted.active_times],
        "deduplication_window_s": target.deduplication_window.total_seconds(),
    }
    return json.dumps({name: value for name, value in shown.items() if value}).encode()


def _problem_messages(problems: Iterable[TargetProblem]) -> list[target_pb2.TargetProblem]:
    return [target_pb2.TargetProblem(source=each.source, problem=each.text) for each in problems]


def _optional_timestamp(moment: Instant | None) -> Timestamp | None:
    return None if moment is None else alert_codec.timestamp(moment)


def _age(since: Instant, now: Instant) -> timedelta:
    return max(timedelta(microseconds=now.micros - since.micros), timedelta(0))
