"""The publisher in memory: its figures, targets, filter rules and deliveries."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.publisher.v1 import (
    delivery_pb2,
    filter_rule_pb2,
    filter_service_pb2,
    target_pb2,
    target_service_pb2,
)
from alerthistory.publisher.v1 import publisher_service_pb2 as pb2
from alerthistory_common.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    StoreUnavailableError,
)
from tests.fakes.rpc import Context, Methods, serve_unary

SERVICE = "alerthistory.publisher.v1.PublisherService"
TARGET_SERVICE = "alerthistory.publisher.v1.TargetService"
FILTER_SERVICE = "alerthistory.publisher.v1.FilterService"

_T = TypeVar("_T")
_ACTIONS = {
    filter_rule_pb2.FILTER_ACTION_ALLOW: pb2.PUBLISH_ACTION_SEND,
    filter_rule_pb2.FILTER_ACTION_DENY: pb2.PUBLISH_ACTION_FILTER,
    filter_rule_pb2.FILTER_ACTION_DELAY: pb2.PUBLISH_ACTION_HOLD,
}
_HELD_S = 3600


class FakePublisher:
    """Answers with *status*, *stats*, *targets* and *target_problems*; keeps *rules*, *deliveries*, and what is asked.

    A *problem* makes reading the targets anew fail; tests take *test_s*. Rules understand the condition ``alert_name``
    only. Pages hold *largest_page* deliveries at most, and one call replays *largest_replay*;
    *replays_before_trouble* calls succeed.
    """

    def __init__(self, *, largest_page: int = 1000, largest_replay: int = 10_000) -> None:
        self.status = pb2.GetStatusResponse()
        self.stats: list[pb2.TargetStats] = []
        self.recently_fired_alerts = 0
        self.targets: list[target_pb2.Target] = []
        self.target_problems: list[target_pb2.TargetProblem] = []
        self.rules: list[filter_rule_pb2.FilterRule] = []
        self.deliveries: list[delivery_pb2.Delivery] = []
        self.tests: list[target_service_pb2.TestTargetRequest] = []
        self.previews: list[target_service_pb2.PreviewTargetRequest] = []
        self.explained: list[pb2.ExplainPublishRequest] = []
        self.listed: list[pb2.ListDeliveriesRequest] = []
        self.replays: list[pb2.ReplayDeliveriesRequest] = []
        self.test_answer = target_service_pb2.TestTargetResponse(is_delivered=True, status_code=200)
        self.test_s = 0.0
        self.problem = ""
        self.replays_before_trouble: int | None = None
        self.largest_replay = largest_replay
        self._largest_page = largest_page

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on *server*."""
        serve_unary(server, SERVICE, self.methods())
        serve_unary(server, TARGET_SERVICE, self.target_methods())
        serve_unary(server, FILTER_SERVICE, self.filter_methods())

    def methods(self) -> Methods:
        """Return the RPCs about deliveries; like the others they raise errors of the common tree."""
        return {
            "GetStatus": (pb2.GetStatusRequest, self._status),
            "GetStats": (pb2.GetStatsRequest, self._stats),
            "ExplainPublish": (pb2.ExplainPublishRequest, self._explain),
            "ListDeliveries": (pb2.ListDeliveriesRequest, self._list_deliveries),
            "RetryDeliveries": (pb2.RetryDeliveriesRequest, self._retry),
            "ReplayDeliveries": (pb2.ReplayDeliveriesRequest, self._replay),
        }

    def target_methods(self) -> Methods:
        """Return the RPCs about targets."""
        return {
            "ListTargets": (target_service_pb2.ListTargetsRequest, self._list_targets),
            "GetTarget": (target_service_pb2.GetTargetRequest, self._get_target),
            "RefreshTargets": (target_service_pb2.RefreshTargetsRequest, self._refresh),
            "TestTarget": (target_service_pb2.TestTargetRequest, self._test),
            "PreviewTarget": (target_service_pb2.PreviewTargetRequest, self._preview),
        }

    def filter_methods(self) -> Methods:
        """Return the RPCs about filter rules."""
        return {
            "ListRules": (filter_service_pb2.ListRulesRequest, self._list_rules),
            "CreateRule": (filter_service_pb2.CreateRuleRequest, self._create_rule),
            "DeleteRule": (filter_service_pb2.DeleteRuleRequest, self._delete_rule),
        }

    async def _status(self, _: pb2.GetStatusRequest, __: Context) -> pb2.GetStatusResponse:
        return self.status

    async def _stats(self, _: pb2.GetStatsRequest, __: Context) -> pb2.GetStatsResponse:
        return pb2.GetStatsResponse(targets=self.stats, recently_fired_alerts=self.recently_fired_alerts)

    async def _explain(self, request: pb2.ExplainPublishRequest, _: Context) -> pb2.ExplainPublishResponse:
        event = request.publication.event
        if not (event.fingerprint and event.kind and event.alert_name and event.labels_json):
            raise InvalidArgumentError("publication.event must be set")
        self.explained.append(request)
        at = request.at.ToDatetime(UTC) if request.HasField("at") else datetime.now(UTC)
        explanations = [self._explanation(each, event.alert_name, at) for each in self.targets]
        return pb2.ExplainPublishResponse(explanations=explanations)

    def _explanation(self, target: target_pb2.Target, alert_name: str, at: datetime) -> pb2.PublishExplanation:
        if not target.is_enabled:
            return pb2.PublishExplanation(
                target=target.name, action=pb2.PUBLISH_ACTION_FILTER, decided_by="enabled", reason="it is disabled"
            )
        rule = next(self._matching(target.name, alert_name), None)
        if rule is None:
            return pb2.PublishExplanation(
                target=target.name,
                action=pb2.PUBLISH_ACTION_SEND,
                decided_by="default",
                reason="nothing is against it",
                due_at=_stamp(at),
            )
        action = _ACTIONS[rule.action]
        due = {pb2.PUBLISH_ACTION_SEND: _stamp(at), pb2.PUBLISH_ACTION_HOLD: _stamp(at + timedelta(seconds=_HELD_S))}
        return pb2.PublishExplanation(
            target=target.name,
            action=action,
            decided_by=f"rule {rule.name}",
            reason="the rule matches",
            due_at=due.get(action),
        )

    def _matching(self, target: str, alert_name: str) -> Iterator[filter_rule_pb2.FilterRule]:
        for rule in sorted(self.rules, key=lambda each: each.priority):
            wanted = json.loads(rule.conditions_json or b"{}").get("alert_name", alert_name)
            if rule.is_enabled and rule.target in ("", target) and wanted == alert_name:
                yield rule

    async def _list_deliveries(self, request: pb2.ListDeliveriesRequest, _: Context) -> pb2.ListDeliveriesResponse:
        self.listed.append(request)
        state = request.filter.state
        found = [each for each in self._wanted(request.filter) if not state or each.state == state]
        page, token = self._page(found, request.page_size, request.page_token)
        return pb2.ListDeliveriesResponse(deliveries=page, next_page_token=token)

    async def _retry(self, request: pb2.RetryDeliveriesRequest, _: Context) -> pb2.RetryDeliveriesResponse:
        dead = [each for each in self._dead(pb2.DeliveryFilter()) if each.delivery_id in request.delivery_ids]
        for each in dead:
            each.state = delivery_pb2.DELIVERY_STATE_PENDING
        return pb2.RetryDeliveriesResponse(retried_count=len(dead))

    async def _replay(self, request: pb2.ReplayDeliveriesRequest, _: Context) -> pb2.ReplayDeliveriesResponse:
        if not 0 <= request.deliveries_per_second <= 1000:
            raise InvalidArgumentError("deliveries_per_second must be 0 to 1000")
        if not request.is_dry_run and self.replays_before_trouble is not None:
            if not self.replays_before_trouble:
                raise StoreUnavailableError("the fake is in trouble")
            self.replays_before_trouble -= 1
        self.replays.append(request)
        dead = sorted(self._dead(request.filter), key=lambda each: each.delivery_id)
        some, now = dead[: self.largest_replay], datetime.now(UTC)
        dues = [now + timedelta(seconds=n / (request.deliveries_per_second or 10)) for n in range(len(some))]
        if not request.is_dry_run:
            for each, due in zip(some, dues, strict=True):
                each.state = delivery_pb2.DELIVERY_STATE_PENDING
                each.next_attempt_at.CopyFrom(_stamp(due))
        return pb2.ReplayDeliveriesResponse(
            replayed_count=len(some), last_due_at=_stamp(dues[-1]) if dues else None, has_more=len(dead) > len(some)
        )

    def _dead(self, wanted: pb2.DeliveryFilter) -> list[delivery_pb2.Delivery]:
        return [each for each in self._wanted(wanted) if each.state == delivery_pb2.DELIVERY_STATE_DEAD]

    def _wanted(self, wanted: pb2.DeliveryFilter) -> list[delivery_pb2.Delivery]:
        """Return the deliveries that meet *wanted*, but for its state."""
        since, before = wanted.ordered_since.ToNanoseconds(), wanted.ordered_before.ToNanoseconds()
        return [
            each
            for each in self.deliveries
            if wanted.target in ("", each.target)
            and wanted.fingerprint in ("", each.fingerprint)
            and (not wanted.HasField("ordered_since") or each.created_at.ToNanoseconds() >= since)
            and (not wanted.HasField("ordered_before") or each.created_at.ToNanoseconds() < before)
            and wanted.last_result_contains.lower() in each.last_result.lower()
        ]

    async def _list_targets(
        self, _: target_service_pb2.ListTargetsRequest, __: Context
    ) -> target_service_pb2.ListTargetsResponse:
        return target_service_pb2.ListTargetsResponse(targets=self.targets, problems=self.target_problems)

    async def _get_target(
        self, request: target_service_pb2.GetTargetRequest, _: Context
    ) -> target_service_pb2.GetTargetResponse:
        return target_service_pb2.GetTargetResponse(target=self._target(request.name))

    async def _refresh(
        self, _: target_service_pb2.RefreshTargetsRequest, __: Context
    ) -> target_service_pb2.RefreshTargetsResponse:
        if self.problem:
            raise FailedPreconditionError(self.problem)
        return target_service_pb2.RefreshTargetsResponse(targets=self.targets, problems=self.target_problems)

    async def _test(
        self, request: target_service_pb2.TestTargetRequest, _: Context
    ) -> target_service_pb2.TestTargetResponse:
        self._target(request.target)
        self.tests.append(request)
        await asyncio.sleep(self.test_s)
        return self.test_answer

    async def _preview(
        self, request: target_service_pb2.PreviewTargetRequest, _: Context
    ) -> target_service_pb2.PreviewTargetResponse:
        target = self._target(request.target)
        if "{{" in request.title_template and "}}" not in request.title_template:
            raise InvalidArgumentError("title_template: unexpected end of template")
        self.previews.append(request)
        alert = json.loads(request.alert_json or b'{"labels": {"alertname": "TestAlert"}}')
        body = {"token": "***", "title": request.title_template or "configured", "alert": alert}
        return target_service_pb2.PreviewTargetResponse(
            method="POST",
            url=target.url,
            headers={"Content-Type": "application/json", "Authorization": "***"},
            body=json.dumps(body).encode(),
        )

    def _target(self, name: str) -> target_pb2.Target:
        for each in self.targets:
            if each.name == name:
                return each
        raise NotFoundError(f"no target {name!r}")

    async def _list_rules(
        self, _: filter_service_pb2.ListRulesRequest, __: Context
    ) -> filter_service_pb2.ListRulesResponse:
        return filter_service_pb2.ListRulesResponse(rules=sorted(self.rules, key=lambda each: each.priority))

    async def _create_rule(
        self, request: filter_service_pb2.CreateRuleRequest, _: Context
    ) -> filter_service_pb2.CreateRuleResponse:
        if not request.rule.name or not request.rule.action:
            raise InvalidArgumentError("rule.name and rule.action must be set")
        request.rule.priority = request.rule.priority or 100
        self.rules.append(request.rule)
        return filter_service_pb2.CreateRuleResponse(rule=request.rule)

    async def _delete_rule(
        self, request: filter_service_pb2.DeleteRuleRequest, _: Context
    ) -> filter_service_pb2.DeleteRuleResponse:
        kept = [each for each in self.rules if (each.name, each.target) != (request.name, request.target)]
        count, self.rules = len(self.rules) - len(kept), kept
        if not count:
            raise NotFoundError(f"no filter rule {request.name!r}")
        return filter_service_pb2.DeleteRuleResponse(deleted_count=count)

    def _page(self, items: Sequence[_T], page_size: int, token: str) -> tuple[Sequence[_T], str]:
        begin = int(token or 0)
        end = begin + min(page_size or 50, self._largest_page)
        return items[begin:end], str(end) if end < len(items) else ""


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
