"""The RPCs of ``FilterService``."""

import json

from alerthistory.publisher.v1 import (
    filter_rule_pb2,
    filter_service_pb2,
    filter_service_pb2_grpc,
)
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_publisher.application.filtering import Filtering
from alerthistory_publisher.domain.filters import DEFAULT_PRIORITY, FilterAction, FilterRule
from alerthistory_publisher.servicer.messages import Context

_MAX_NAME = 1000

_MAX_PRIORITY = 1000

_MAX_CONDITIONS_BYTES = 64 * 1024

_ACTIONS = {
    FilterAction.ALLOW: filter_rule_pb2.FILTER_ACTION_ALLOW,
    FilterAction.DENY: filter_rule_pb2.FILTER_ACTION_DENY,
    FilterAction.DELAY: filter_rule_pb2.FILTER_ACTION_DELAY,
}

_ACTIONS_BACK = {value: key for key, value in _ACTIONS.items()}


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
