"""Who is told about alerts, what decides that, and what became of it, asked by ``Client.publishing``."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import grpc

from alerthistory.publisher.v1 import filter_service_pb2, target_service_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as pb
from alerthistory.publisher.v1.filter_service_pb2_grpc import FilterServiceStub
from alerthistory.publisher.v1.publisher_service_pb2_grpc import PublisherServiceStub
from alerthistory.publisher.v1.target_service_pb2_grpc import TargetServiceStub
from alerthistory_client import codec, publishing_codec
from alerthistory_client.calls import Endpoint
from alerthistory_client.paging import paged
from alerthistory_client.publishing_records import (
    Delivery,
    DeliveryFilter,
    DeliveryState,
    FilterRule,
    Preview,
    PublishExplanation,
    PublishingStats,
    Replay,
    ReplayPlan,
    Target,
    TargetList,
    TestResult,
)
from alerthistory_common import alert_codec
from alerthistory_common.alerts import AlertEvent, Instant, Verdict

REPLAYS_PER_SECOND = 10.0
"""How many replayed deliveries become due in a second, when nothing else is said."""

_TEST_LIMIT = timedelta(seconds=30)
_ANY = DeliveryFilter()


class PublishingClient:
    """Asks the publisher about targets, filter rules and deliveries."""

    def __init__(self, channel: grpc.aio.Channel, endpoint: Endpoint) -> None:
        self._publisher = PublisherServiceStub(channel)
        self._targets = TargetServiceStub(channel)
        self._filters = FilterServiceStub(channel)
        self._at = endpoint

    async def list_targets(self) -> TargetList:
        """Return all targets in the order of their configuration, and what of it cannot be used."""
        request = target_service_pb2.ListTargetsRequest()
        response = await self._at.call(self._targets.ListTargets, request)
        return publishing_codec.target_list(response)

    async def get_target(self, name: str) -> Target:
        """Return one target; raise NotFoundError when there is none of this name."""
        request = target_service_pb2.GetTargetRequest(name=name)
        return publishing_codec.target((await self._at.call(self._targets.GetTarget, request)).target)

    async def refresh_targets(self) -> TargetList:
        """Let the configuration be read anew, by all replicas; return what is in force now.

        Raises FailedPreconditionError when a source as a whole is wrong; then its targets stay as they are.
        """
        request = target_service_pb2.RefreshTargetsRequest()
        response = await self._at.call(self._targets.RefreshTargets, request)
        return publishing_codec.target_list(response)

    async def test_target(self, name: str, *, alert_json: bytes = b"", limit: timedelta | None = None) -> TestResult:
        """Send a test alert to a target, once and at once, and return what came of it. Every call sends.

        *alert_json* is an element of a webhook payload's ``alerts``; empty: one of the publisher's own. The target may
        take *limit*, 1 s to 5 min; None: 30 s. The call takes that much longer than others. Raises NotFoundError.
        """
        request = target_service_pb2.TestTargetRequest(
            target=name, alert_json=alert_json, timeout=None if limit is None else alert_codec.duration(limit)
        )
        patience = (limit or _TEST_LIMIT).total_seconds()
        patient = replace(self._at, timeout_s=self._at.timeout_s + patience)
        return publishing_codec.test_result(await patient.call(self._targets.TestTarget, request))

    async def preview_target(
        self,
        name: str,
        *,
        alert_json: bytes = b"",
        verdict: Verdict | None = None,
        title: str | None = None,
        description: str | None = None,
    ) -> Preview:
        """Return what would be sent to a target about an alert, without its secrets. Sends nothing.

        *alert_json* is as in ``test_target``. *title* and *description* are templates to be tried in place of the
        configured ones. Raises NotFoundError, and InvalidArgumentError for what cannot be used.
        """
        request = target_service_pb2.PreviewTargetRequest(
            target=name,
            alert_json=alert_json,
            verdict=None if verdict is None else alert_codec.verdict_message(verdict),
            title_template=title,
            description_template=description,
        )
        return publishing_codec.preview(await self._at.call(self._targets.PreviewTarget, request))

    async def stats(self) -> PublishingStats:
        """Return what became of the deliveries to every target that is configured or has some."""
        return publishing_codec.stats(await self._at.call(self._publisher.GetStats, pb.GetStatsRequest()))

    async def explain(
        self, event: AlertEvent, verdict: Verdict | None, *, at: Instant | None = None
    ) -> list[PublishExplanation]:
        """Return what would be done about *event* at each target, disabled ones included, and why. Changes nothing.

        *at* is the moment for which it is asked; None: now.
        """
        publication = pb.Publication(
            event=alert_codec.event_message(event),
            verdict=None if verdict is None else alert_codec.verdict_message(verdict),
        )
        request = pb.ExplainPublishRequest(publication=publication, at=codec.optional_timestamp(at))
        response = await self._at.call(self._publisher.ExplainPublish, request)
        return [publishing_codec.explanation(each) for each in response.explanations]

    def list_deliveries(self, wanted: DeliveryFilter = _ANY, *, limit: int | None = None) -> AsyncIterator[Delivery]:
        """Iterate over the deliveries that are *wanted*, newest first."""
        message = publishing_codec.filter_message(wanted)

        async def page(size: int, token: str) -> tuple[list[Delivery], str]:
            request = pb.ListDeliveriesRequest(filter=message, page_size=size, page_token=token)
            response = await self._at.call(self._publisher.ListDeliveries, request)
            return [publishing_codec.delivery(each) for each in response.deliveries], response.next_page_token

        return paged(page, limit)

    async def retry_deliveries(self, delivery_ids: Sequence[int]) -> int:
        """Make dead deliveries pending again, 1000 at most; return how many were dead."""
        request = pb.RetryDeliveriesRequest(delivery_ids=delivery_ids)
        return (await self._at.call(self._publisher.RetryDeliveries, request)).retried_count

    async def plan_replay(self, wanted: DeliveryFilter = _ANY, *, per_second: float = REPLAYS_PER_SECOND) -> ReplayPlan:
        """Return what it takes to make all dead deliveries that are *wanted* pending again; nothing is changed.

        Their state in *wanted* is not looked at. *per_second* of them become due in a second, 1000 at most.
        """
        found = await self._replay(wanted, per_second, is_dry_run=True)
        count, calls = found.count, 1
        if found.has_more:
            dead = replace(wanted, state=DeliveryState.DEAD)
            count = sum([1 async for _ in self.list_deliveries(dead)])
            calls = math.ceil(count / found.count)
        return ReplayPlan(wanted=wanted, count=count, calls=calls, per_second=per_second)

    async def replay_deliveries(self, plan: ReplayPlan) -> AsyncGenerator[Replay, None]:
        """Make dead deliveries pending again as planned; yield what is replayed so far after every call.

        All calls are made at once and share the rate: were each made when the last was through, those that died again
        would be replayed without end. When one fails, what was replayed stays so; plan anew for the rest.
        """
        count, due_at = 0, None
        for _ in range(plan.calls):
            found = await self._replay(plan.wanted, plan.per_second / plan.calls)
            count += found.count
            due_at = max(filter(None, (due_at, found.last_due_at)), default=None)
            yield Replay(count=count, last_due_at=due_at, has_more=found.has_more)
            if not found.has_more:
                return

    async def list_rules(self) -> list[FilterRule]:
        """Return the filter rules by priority."""
        response = await self._at.call(self._filters.ListRules, filter_service_pb2.ListRulesRequest())
        return [publishing_codec.rule(each) for each in response.rules]

    async def add_rule(self, rule: FilterRule) -> FilterRule:
        """Add a filter rule, durably; return it as it is kept. Names may repeat: adding twice adds two."""
        request = filter_service_pb2.CreateRuleRequest(rule=publishing_codec.rule_message(rule))
        return publishing_codec.rule((await self._at.call(self._filters.CreateRule, request)).rule)

    async def delete_rules(self, name: str, *, target: str = "") -> int:
        """Delete all filter rules of a name that are for *target*, or else for all targets; return how many there were.

        Raises NotFoundError when there is none.
        """
        request = filter_service_pb2.DeleteRuleRequest(name=name, target=target)
        return (await self._at.call(self._filters.DeleteRule, request)).deleted_count

    async def _replay(self, wanted: DeliveryFilter, per_second: float, *, is_dry_run: bool = False) -> Replay:
        request = pb.ReplayDeliveriesRequest(
            filter=publishing_codec.filter_message(wanted), is_dry_run=is_dry_run, deliveries_per_second=per_second
        )
        return publishing_codec.replay(await self._at.call(self._publisher.ReplayDeliveries, request))
