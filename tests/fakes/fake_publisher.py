"""The publisher in memory: its figures, targets and filter rules."""

import grpc

from alerthistory.publisher.v1 import filter_rule_pb2, filter_service_pb2, target_pb2, target_service_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as pb2
from tests.fakes.rpc import Context, serve_unary

SERVICE = "alerthistory.publisher.v1.PublisherService"
TARGET_SERVICE = "alerthistory.publisher.v1.TargetService"
FILTER_SERVICE = "alerthistory.publisher.v1.FilterService"


class FakePublisher:
    """Answers with *status*, *stats* and *targets*; keeps *rules* and the *tests* asked for.

    A *problem* makes reading the targets anew fail.
    """

    def __init__(self) -> None:
        self.status = pb2.GetStatusResponse()
        self.stats: list[pb2.TargetStats] = []
        self.targets: list[target_pb2.Target] = []
        self.rules: list[filter_rule_pb2.FilterRule] = []
        self.tests: list[target_service_pb2.TestTargetRequest] = []
        self.test_answer = target_service_pb2.TestTargetResponse(is_delivered=True, status_code=200)
        self.problem = ""

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on *server*."""
        serve_unary(
            server,
            SERVICE,
            {"GetStatus": (pb2.GetStatusRequest, self._status), "GetStats": (pb2.GetStatsRequest, self._stats)},
        )
        serve_unary(
            server,
            TARGET_SERVICE,
            {
                "ListTargets": (target_service_pb2.ListTargetsRequest, self._list_targets),
                "RefreshTargets": (target_service_pb2.RefreshTargetsRequest, self._refresh),
                "TestTarget": (target_service_pb2.TestTargetRequest, self._test),
            },
        )
        serve_unary(
            server,
            FILTER_SERVICE,
            {
                "ListRules": (filter_service_pb2.ListRulesRequest, self._list_rules),
                "CreateRule": (filter_service_pb2.CreateRuleRequest, self._create_rule),
                "DeleteRule": (filter_service_pb2.DeleteRuleRequest, self._delete_rule),
            },
        )

    async def _status(self, _: pb2.GetStatusRequest, __: Context) -> pb2.GetStatusResponse:
        return self.status

    async def _stats(self, _: pb2.GetStatsRequest, __: Context) -> pb2.GetStatsResponse:
        return pb2.GetStatsResponse(targets=self.stats)

    async def _list_targets(
        self, _: target_service_pb2.ListTargetsRequest, __: Context
    ) -> target_service_pb2.ListTargetsResponse:
        return target_service_pb2.ListTargetsResponse(targets=self.targets)

    async def _refresh(
        self, _: target_service_pb2.RefreshTargetsRequest, context: Context
    ) -> target_service_pb2.RefreshTargetsResponse:
        if self.problem:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, self.problem)
        return target_service_pb2.RefreshTargetsResponse(targets=self.targets)

    async def _test(
        self, request: target_service_pb2.TestTargetRequest, context: Context
    ) -> target_service_pb2.TestTargetResponse:
        if request.target not in [each.name for each in self.targets]:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such target")
        self.tests.append(request)
        return self.test_answer

    async def _list_rules(
        self, _: filter_service_pb2.ListRulesRequest, __: Context
    ) -> filter_service_pb2.ListRulesResponse:
        return filter_service_pb2.ListRulesResponse(rules=self.rules)

    async def _create_rule(
        self, request: filter_service_pb2.CreateRuleRequest, _: Context
    ) -> filter_service_pb2.CreateRuleResponse:
        self.rules.append(request.rule)
        return filter_service_pb2.CreateRuleResponse(rule=request.rule)

    async def _delete_rule(
        self, request: filter_service_pb2.DeleteRuleRequest, context: Context
    ) -> filter_service_pb2.DeleteRuleResponse:
        kept = [each for each in self.rules if (each.name, each.target) != (request.name, request.target)]
        count, self.rules = len(self.rules) - len(kept), kept
        if not count:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such rule")
        return filter_service_pb2.DeleteRuleResponse(deleted_count=count)
