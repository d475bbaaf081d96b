"""``/proxy/*`` but its webhook: the targets, figures, and filter rules of publishing."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.publisher.v1 import filter_rule_pb2, filter_service_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory.publisher.v1.target_pb2 import Target
from alerthistory_common.clock import Clock
from alerthistory_common.errors import NotFoundError
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.publishing import (
    by_target,
    decided,
    deduplication_document,
    discovery_document,
    is_metrics_only,
    manager_health,
    proxy_target_document,
    publisher_document,
    worst,
)
from alerthistory_gateway.legacy.rendering import iso_naive, json_answer, refusal
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import EncodableText, read_query
from alerthistory_gateway.publishing_client import PublishingClient

_ACTIONS = {
    "allow": filter_rule_pb2.FILTER_ACTION_ALLOW,
    "deny": filter_rule_pb2.FILTER_ACTION_DENY,
    "delay": filter_rule_pb2.FILTER_ACTION_DELAY,
}
_MAX_BARE_TARGETS = 1000


class RuleBody(BaseModel):
    """The body that adds a filter rule."""

    name: EncodableText
    action: str = Field(pattern="^(allow|deny|delay)$")
    conditions: dict[str, Any]
    priority: int = Field(100, ge=1, le=1000)
    enabled: bool = True
    target_name: EncodableText | None = None


class RuleQuery(BaseModel):
    """Which target's rules are meant; None: those for all."""

    target_name: str | None = None


class ProxyManagement:
    """Shows and steers publishing; the publisher owns all of it."""

    def __init__(self, services: Services, *, bodies: BodyReader, timeout_s: float, clock: Clock) -> None:
        self._publisher = PublishingClient(services, bodies=bodies, timeout_s=timeout_s)
        self._services = services
        self._timeout_s = timeout_s
        self._clock = clock
        # The older service went on showing a target whose last rule was deleted, with none, until it was restarted;
        # the contract holds it (intended-filter-rules), and no service remembers it: it is nothing but looks. So it is
        # kept here, a replica at a time, and bounded.
        self._bare_targets: set[str] = set()

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [
            ExactRoute("GET", "/proxy/targets", self.targets),
            ExactRoute("GET", "/proxy/stats", self.stats),
            ExactRoute("GET", "/proxy/health", self.health),
            ExactRoute("POST", "/proxy/targets/refresh", self.refresh),
            ExactRoute("POST", "/proxy/filters/rules", self.add_rule),
            ExactRoute("DELETE", "/proxy/filters/rules/{rule_name}", self.delete_rule),
        ]

    async def targets(self, _: Request) -> Response:
        """Return the targets in the order of their configuration."""
        targets, counts = await self._publisher.targets(), by_target((await self._publisher.stats()).targets)
        unknown = publisher_pb2.TargetStats()
        return json_answer([proxy_target_document(each, counts.get(each.name, unknown)) for each in targets])

    async def stats(self, _: Request) -> Response:
        """Return figures about targets, rules and deliveries."""
        status, found = await self._publisher.status(), await self._publisher.stats()
        deliveries = publisher_document(found.targets)
        filters = self._filter_document(await self._rules(), await self._publisher.targets())
        return json_answer(
            {
                "proxy_enabled": True,
                "metrics_only_mode": is_metrics_only(status),
                "active_targets": status.targets,
                "total_processed_alerts": decided(found.targets),
                "successful_publishes": deliveries["successful_publishes"],
                "failed_publishes": deliveries["failed_publishes"],
                "filtered_alerts": sum(each.filtered for each in found.targets),
                "classification_enabled": await self._is_classified(),
                "target_discovery_stats": discovery_document(status),
                "filter_stats": {**filters, "deduplication": deduplication_document(found), "rate_limiting": {}},
                "publisher_stats": deliveries,
            }
        )

    async def health(self, _: Request) -> Response:
        """Say how the parts are, and how the worst of them is."""
        status, is_classified = await self._publisher.status(), await self._is_classified()
        await self._rules()  # A filter engine that cannot be reached is a 503, like everything here.
        components = {
            "target_manager": manager_health(status),
            "alert_publisher": "healthy",
            "filter_engine": "healthy",
            "classification_service": "healthy" if is_classified else "disabled",
        }
        return json_answer(
            {
                "proxy_enabled": True,
                "components": components,
                "metrics_only_mode": is_metrics_only(status),
                "active_targets": status.targets,
                "timestamp": iso_naive(self._clock.now().to_datetime()),
                "overall": worst(components.values()),
            }
        )

    async def refresh(self, _: Request) -> Response:
        """Let the targets be read anew."""
        found = await self._publisher.refresh()
        message = "Targets refreshed successfully"
        return json_answer({"status": "success", "message": message, "active_targets": len(found.targets)})

    async def add_rule(self, request: Request) -> Response:
        """Add a filter rule."""
        wanted = await self._publisher.body(request, RuleBody)
        if not wanted.name:
            return refusal(400, "Filter rule name cannot be empty")
        rule = filter_rule_pb2.FilterRule(
            name=wanted.name,
            action=_ACTIONS[wanted.action],
            conditions_json=json.dumps(wanted.conditions).encode(),
            priority=wanted.priority,
            is_enabled=wanted.enabled,
            target=wanted.target_name or "",
        )
        asked = filter_service_pb2.CreateRuleRequest(rule=rule)
        await ask("publisher", self._services.filters.CreateRule, asked, timeout_s=self._timeout_s)
        shown = {
            "name": wanted.name,
            "action": wanted.action,
            "priority": wanted.priority,
            "target": wanted.target_name or "global",
        }
        message = f"Filter rule '{wanted.name}' added successfully"
        return json_answer({"status": "success", "message": message, "rule": shown})

    async def delete_rule(self, request: Request) -> Response:
        """Delete the filter rules of a name."""
        name, target = request.path_params["rule_name"], read_query(request, RuleQuery).target_name or ""
        asked = filter_service_pb2.DeleteRuleRequest(name=name, target=target)
        try:
            await ask("publisher", self._services.filters.DeleteRule, asked, timeout_s=self._timeout_s)
        except NotFoundError:
            return refusal(404, f"Filter rule '{name}' not found")
        if len(self._bare_targets) < _MAX_BARE_TARGETS:
            self._bare_targets.add(target)
        return json_answer({"status": "success", "message": f"Filter rule '{name}' removed successfully"})

    async def _rules(self) -> list[filter_rule_pb2.FilterRule]:
        asked = filter_service_pb2.ListRulesRequest()
        return list((await ask("publisher", self._services.filters.ListRules, asked, timeout_s=self._timeout_s)).rules)

    async def _is_classified(self) -> bool:
        asked = classifier_pb2.GetStatusRequest()
        status = await ask("classifier", self._services.classifier.GetStatus, asked, timeout_s=self._timeout_s)
        return bool(status.model)

    def _filter_document(
        self, rules: Sequence[filter_rule_pb2.FilterRule], targets: Sequence[Target]
    ) -> dict[str, Any]:
        by_scope = Counter(each.target for each in rules)
        shown = dict.fromkeys([*by_scope, *(each.name for each in targets if each.name in self._bare_targets)])
        return {
            "global_rules_count": by_scope[""],
            "target_specific_rules": {name: by_scope[name] for name in shown if name},
        }
