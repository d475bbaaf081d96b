"""``/api/dashboard/…``: what dashboards show."""

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.alert.v1.alert_pb2 import Occurrence
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory_common.alert_codec import instant
from alerthistory_common.clock import Clock
from alerthistory_common.errors import AlertHistoryError
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.classifications import beside_an_alert, recommendation
from alerthistory_gateway.legacy.discovery import discovery_stats, mode_text
from alerthistory_gateway.legacy.ordering import tie_order
from alerthistory_gateway.legacy.rendering import iso_naive, json_answer
from alerthistory_gateway.legacy.routing import ExactRoute
from alerthistory_gateway.legacy.validation import read_query

_DAY_HOURS = 24
_METRICS_ONLY = publisher_pb2.PUBLISHING_MODE_METRICS_ONLY
_Confidence = Annotated[float, Field(ge=0, le=1)]


class ChartsQuery(BaseModel):
    """What can be asked of ``charts``."""

    hours: int = Field(24, ge=1, le=168)


class RecentQuery(BaseModel):
    """What can be asked of ``alerts/recent``. Empty texts do not restrict."""

    limit: int = Field(50, ge=1, le=200)
    severity: str | None = None
    status: str | None = None
    namespace: str | None = None
    min_confidence: _Confidence | None = None
    include_classification: bool = False


class RecommendationsQuery(BaseModel):
    """What can be asked of ``recommendations``."""

    limit: int = Field(20, ge=1, le=200)
    min_confidence: _Confidence = 0.5


class DashboardEndpoints:
    """Show counts, charts, components, recent alerts and verdicts."""

    def __init__(self, services: Services, *, timeout_s: float, clock: Clock) -> None:
        self._services = services
        self._timeout_s = timeout_s
        self._clock = clock

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [
            ExactRoute("GET", "/api/dashboard/overview", self.overview),
            ExactRoute("GET", "/api/dashboard/charts", self.charts),
            ExactRoute("GET", "/api/dashboard/health", self.health),
            ExactRoute("GET", "/api/dashboard/alerts/recent", self.recent),
            ExactRoute("GET", "/api/dashboard/recommendations", self.recommendations),
        ]

    async def overview(self, _: Request) -> Response:
        """Return the counts; what a service that is away would say is nothing, and the system is not healthy then."""
        stats = await self._stats(_DAY_HOURS)
        async with asyncio.TaskGroup() as tasks:
            classifier = tasks.create_task(_or_none(self._classifier_status()))
            publisher = tasks.create_task(_or_none(self._publisher_status()))
        judged, published = classifier.result(), publisher.result()
        is_healthy = judged is not None and published is not None
        judged, published = judged or classifier_pb2.GetStatusResponse(), published or publisher_pb2.GetStatusResponse()
        return json_answer(
            {
                "total_alerts": stats.total,
                "active_alerts": stats.firing,
                "resolved_alerts": stats.resolved,
                "alerts_last_24h": stats.received,
                "classification_enabled": bool(judged.model),
                "classified_alerts": judged.classifications,
                "classification_cache_hit_rate": 0.0,
                "publishing_targets": published.targets,
                "publishing_mode": mode_text(is_metrics_only=published.mode == _METRICS_ONLY),
                "successful_publishes": published.delivered,
                "failed_publishes": published.dead,
                "system_healthy": is_healthy,
                "redis_connected": judged.redis.is_available,
                "llm_service_available": False,  # The contract: always.
                "last_updated": self._now(),
            }
        )

    async def charts(self, request: Request) -> Response:
        """Return what was received lately, by hour and by value."""
        stats = await self._stats(read_query(request, ChartsQuery).hours)
        return json_answer(
            {
                "alert_timeline": [_hour(each) for each in stats.timeline],
                "top_alerts_by_frequency": [_top(each) for each in stats.top_alerts],
                "top_alerts_by_severity": [],
                "severity_distribution": _distribution(stats.severities),
                "status_distribution": _distribution(stats.statuses),
                "namespace_distribution": _distribution(stats.namespaces),
            }
        )

    async def health(self, _: Request) -> Response:
        """Return how the parts are; never fails because one of them is away."""
        async with asyncio.TaskGroup() as tasks:
            history = tasks.create_task(_or_none(self._history_status()))
            classifier = tasks.create_task(_or_none(self._classifier_status()))
            publisher = tasks.create_task(_or_none(self._publisher_status()))
        components = {
            "database": _database(history.result()),
            "redis": _redis(classifier.result()),
            "classification": _classification(classifier.result()),
            "publishing": _publishing(publisher.result()),
        }
        return json_answer(
            [
                {"component": name, "status": status, "details": details, "last_check": self._now()}
                for name, (status, details) in components.items()
            ]
        )

    async def recent(self, request: Request) -> Response:
        """Return the newest alerts, perhaps with their verdicts."""
        query = read_query(request, RecentQuery)
        alerts = [_alert(each) for each in await self._occurrences(query)]
        if query.severity:
            alerts = [each for each in alerts if each["labels"].get("severity") == query.severity]
        if query.include_classification and alerts:
            alerts = await self._classified(alerts, query.min_confidence)
        applied = {name: getattr(query, name) for name in ("severity", "status", "namespace", "limit")}
        return json_answer({"alerts": alerts, "total": len(alerts), "filters_applied": applied})

    async def recommendations(self, request: Request) -> Response:
        """Return the newest verdicts."""
        query = read_query(request, RecommendationsQuery)
        asked = classifier_pb2.ListClassificationsRequest(page_size=query.limit, min_confidence=query.min_confidence)
        found = await ask("classifier", self._services.classifier.ListClassifications, asked, timeout_s=self._timeout_s)
        items = [recommendation(each) for each in found.classifications]
        return json_answer({"total": len(items), "items": items})

    async def _occurrences(self, query: RecentQuery) -> Sequence[Occurrence]:
        """Return the newest *limit* occurrences; severities are looked at afterwards, as the contract says."""
        asked = history_pb2.ListOccurrencesRequest(
            filter=history_pb2.OccurrenceFilter(status=query.status or "", namespace=query.namespace or ""),
            tie_order=tie_order(is_filtered=bool(query.status)),
            page_size=query.limit,
        )
        found: list[Occurrence] = []
        while True:
            answer = await ask("history", self._services.history.ListOccurrences, asked, timeout_s=self._timeout_s)
            found += answer.occurrences
            # A page of long alerts may end early.
            if len(found) >= query.limit or not answer.next_page_token:
                return found
            asked.page_size, asked.page_token = query.limit - len(found), answer.next_page_token

    async def _classified(self, alerts: list[dict[str, Any]], min_confidence: float | None) -> list[dict[str, Any]]:
        asked = classifier_pb2.BatchGetClassificationsRequest(fingerprints={each["fingerprint"] for each in alerts})
        answer = await ask(
            "classifier", self._services.classifier.BatchGetClassifications, asked, timeout_s=self._timeout_s
        )
        verdicts = {each.fingerprint: each for each in answer.classifications}
        shown = []
        for alert in alerts:
            found = verdicts.get(alert["fingerprint"])
            if found is None:
                shown.append(alert)
            elif min_confidence is None or found.verdict.confidence >= min_confidence:
                shown.append(alert | beside_an_alert(found))
        return shown

    async def _stats(self, hours: int) -> history_pb2.GetStatsResponse:
        asked = history_pb2.GetStatsRequest(hours=hours)
        return await ask("history", self._services.history.GetStats, asked, timeout_s=self._timeout_s)

    async def _history_status(self) -> history_pb2.GetStatusResponse:
        asked = history_pb2.GetStatusRequest()
        return await ask("history", self._services.history.GetStatus, asked, timeout_s=self._timeout_s)

    async def _classifier_status(self) -> classifier_pb2.GetStatusResponse:
        asked = classifier_pb2.GetStatusRequest()
        return await ask("classifier", self._services.classifier.GetStatus, asked, timeout_s=self._timeout_s)

    async def _publisher_status(self) -> publisher_pb2.GetStatusResponse:
        asked = publisher_pb2.GetStatusRequest()
        return await ask("publisher", self._services.publisher.GetStatus, asked, timeout_s=self._timeout_s)

    def _now(self) -> str:
        return iso_naive(self._clock.now().to_datetime())


_T = TypeVar("_T")
_State = tuple[str, Mapping[str, Any]]
_NO_ANSWER: _State = ("unhealthy", {"message": "The service does not answer"})


async def _or_none(answer: Awaitable[_T]) -> _T | None:
    try:
        return await answer
    except AlertHistoryError:
        return None


def _database(status: history_pb2.GetStatusResponse | None) -> _State:
    if status is None:
        return _NO_ANSWER
    return "healthy", {"type": status.database_type, "available": True}


def _redis(status: classifier_pb2.GetStatusResponse | None) -> _State:
    if status is None:
        return _NO_ANSWER
    if not status.HasField("redis"):
        return "not_configured", {"message": "Redis not configured"}
    state, is_there = ("healthy", True) if status.redis.is_available else ("unhealthy", False)
    return state, {
        "status": state,
        "response_time": status.redis.response_time.ToTimedelta().total_seconds(),
        "ping_success": is_there,
        "read_write_test": is_there,
        "cache": "redis",
    }


def _classification(status: classifier_pb2.GetStatusResponse | None) -> _State:
    if status is None:
        return _NO_ANSWER
    if not status.model:
        return "not_configured", {"message": "Classification service not configured"}
    return "healthy", {"model": status.model}


def _publishing(status: publisher_pb2.GetStatusResponse | None) -> _State:
    if status is None:
        return _NO_ANSWER
    is_metrics_only = status.mode == _METRICS_ONLY
    return "healthy" if status.targets else "degraded", {
        "targets_count": status.targets,
        "mode": mode_text(is_metrics_only=is_metrics_only),
        "discovery_stats": discovery_stats(targets=status.targets, is_metrics_only=is_metrics_only),
    }


def _hour(hour: history_pb2.StatsHour) -> dict[str, Any]:
    return {
        "timestamp": iso_naive(instant(hour.begins_at).to_datetime()),
        "firing_alerts": hour.firing,
        "resolved_alerts": hour.resolved,
        "critical_alerts": hour.critical,
        "warning_alerts": hour.warning,
        "info_alerts": hour.info,
    }


def _top(alert: history_pb2.StatsTopAlert) -> dict[str, Any]:
    return {
        "alert_name": alert.alert_name,
        "namespace": alert.namespace or None,
        "count": alert.count,
        "last_seen": iso_naive(instant(alert.last_received_at).to_datetime()),
        "severity": alert.severity_label or "unknown",
        "status": "firing" if alert.is_firing else "resolved",
    }


def _distribution(shares: Sequence[history_pb2.StatsShare]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for share in shares:
        name = share.value or "unknown"
        counts[name] = counts.get(name, 0) + share.count
    return counts


def _alert(occurrence: Occurrence) -> dict[str, Any]:
    labels = json.loads(occurrence.labels_json)
    return {
        "fingerprint": occurrence.fingerprint,
        "alert_name": occurrence.alert_name,
        "namespace": labels.get("namespace"),
        "status": "firing" if occurrence.is_firing else "resolved",
        "severity": labels.get("severity", "unknown"),
        "labels": labels,
        "annotations": json.loads(occurrence.annotations_json),
        "timestamp": None,
        "starts_at": instant(occurrence.starts_at).iso_utc(),
        "ends_at": instant(occurrence.ends_at).iso_utc() if occurrence.HasField("ends_at") else None,
    }
