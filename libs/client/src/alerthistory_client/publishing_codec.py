"""Translations between the publisher's messages and records."""

from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.alert.v1 import alert_pb2
from alerthistory.publisher.v1 import delivery_pb2, filter_rule_pb2, target_pb2, target_service_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as pb
from alerthistory_client.codec import known, optional_timestamp, too_new
from alerthistory_client.publishing_records import (
    BreakerState,
    Delivery,
    DeliveryFilter,
    DeliveryState,
    FilterAction,
    FilterRule,
    Preview,
    PublishAction,
    PublishExplanation,
    PublishingStats,
    Replay,
    Target,
    TargetList,
    TargetProblem,
    TargetStats,
    TestResult,
)
from alerthistory_common import alert_codec
from alerthistory_common.alerts import EventKind, Fingerprint, Instant

_STATES = {each: delivery_pb2.DeliveryState.Value(f"DELIVERY_STATE_{each.name}") for each in DeliveryState}
_BREAKERS = {each: pb.BreakerState.Value(f"BREAKER_STATE_{each.name}") for each in BreakerState}
_ACTIONS = {each: pb.PublishAction.Value(f"PUBLISH_ACTION_{each.name}") for each in PublishAction}
_RULE_ACTIONS = {each: filter_rule_pb2.FilterAction.Value(f"FILTER_ACTION_{each.name}") for each in FilterAction}


def target(message: target_pb2.Target) -> Target:
    """Return the target in *message*."""
    return Target(
        name=message.name,
        format=message.format,
        address=message.address,
        is_enabled=message.is_enabled,
        sends_resolved=message.sends_resolved,
        url=message.url,
        source=message.source,
        rate_limits=tuple(message.rate_limits),
        concurrency=message.concurrency,
        filter_json=message.filter_json or b"{}",
    )


def target_list(
    message: target_service_pb2.ListTargetsResponse | target_service_pb2.RefreshTargetsResponse,
) -> TargetList:
    """Return the targets and problems in *message*."""
    return TargetList(
        targets=tuple(map(target, message.targets)),
        problems=tuple(TargetProblem(source=each.source, problem=each.problem) for each in message.problems),
    )


def test_result(message: target_service_pb2.TestTargetResponse) -> TestResult:
    """Return what came of a test alert."""
    return TestResult(
        is_delivered=message.is_delivered,
        status_code=message.status_code,
        response_time=message.response_time.ToTimedelta(),
        problem=message.problem,
    )


def preview(message: target_service_pb2.PreviewTargetResponse) -> Preview:
    """Return what would be sent."""
    return Preview(method=message.method, url=message.url, headers=dict(message.headers), body=message.body)


def delivery(message: delivery_pb2.Delivery) -> Delivery:
    """Return the delivery in *message*."""
    return Delivery(
        delivery_id=message.delivery_id,
        event_id=message.event_id,
        target=message.target,
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        kind=_kind(message.kind),
        state=known(_STATES, message.state, "state of a delivery"),
        attempts=message.attempts,
        last_result=message.last_result,
        last_status_code=message.last_status_code,
        created_at=alert_codec.instant(message.created_at),
        next_attempt_at=_moment(message.HasField("next_attempt_at"), message.next_attempt_at),
        delivered_at=_moment(message.HasField("delivered_at"), message.delivered_at),
        decision=message.decision,
        receipt=message.receipt,
    )


def filter_message(wanted: DeliveryFilter) -> pb.DeliveryFilter:
    """Return *wanted* as a message."""
    state = delivery_pb2.DELIVERY_STATE_UNSPECIFIED if wanted.state is None else _STATES[wanted.state]
    return pb.DeliveryFilter(
        state=state,
        target=wanted.target,
        fingerprint=wanted.fingerprint,
        ordered_since=optional_timestamp(wanted.since),
        ordered_before=optional_timestamp(wanted.until),
        last_result_contains=wanted.result,
    )


def replay(message: pb.ReplayDeliveriesResponse) -> Replay:
    """Return what is replayed."""
    return Replay(
        count=message.replayed_count,
        last_due_at=_moment(message.HasField("last_due_at"), message.last_due_at),
        has_more=message.has_more,
    )


def explanation(message: pb.PublishExplanation) -> PublishExplanation:
    """Return the explanation in *message*."""
    return PublishExplanation(
        target=message.target,
        action=known(_ACTIONS, message.action, "action of the publisher"),
        decided_by=message.decided_by,
        reason=message.reason,
        due_at=_moment(message.HasField("due_at"), message.due_at),
    )


def stats(message: pb.GetStatsResponse) -> PublishingStats:
    """Return the counts in *message*."""
    return PublishingStats(
        targets=tuple(map(_target_stats, message.targets)), recently_fired_alerts=message.recently_fired_alerts
    )


def rule(message: filter_rule_pb2.FilterRule) -> FilterRule:
    """Return the filter rule in *message*."""
    return FilterRule(
        name=message.name,
        action=known(_RULE_ACTIONS, message.action, "action of a filter rule"),
        conditions_json=message.conditions_json or b"{}",
        priority=message.priority,
        is_enabled=message.is_enabled,
        target=message.target,
    )


def rule_message(rule: FilterRule) -> filter_rule_pb2.FilterRule:
    """Return *rule* as a message."""
    return filter_rule_pb2.FilterRule(
        name=rule.name,
        action=_RULE_ACTIONS[rule.action],
        conditions_json=rule.conditions_json,
        priority=rule.priority,
        is_enabled=rule.is_enabled,
        target=rule.target,
    )


def _target_stats(message: pb.TargetStats) -> TargetStats:
    breaker = message.breaker_state
    return TargetStats(
        target=message.target,
        delivered=message.delivered,
        dead=message.dead,
        pending=message.pending,
        filtered=message.filtered,
        superseded=message.superseded,
        last_delivered_at=_moment(message.HasField("last_delivered_at"), message.last_delivered_at),
        breaker_state=known(_BREAKERS, breaker, "state of a circuit breaker") if breaker else None,
        breaker_open_until=_moment(message.HasField("breaker_open_until"), message.breaker_open_until),
    )


def _moment(is_set: bool, stamp: Timestamp) -> Instant | None:
    return alert_codec.instant(stamp) if is_set else None


def _kind(value: alert_pb2.EventKind.ValueType) -> EventKind:
    try:
        return alert_codec.kind(value)
    except ValueError as error:
        raise too_new(str(error)) from error
