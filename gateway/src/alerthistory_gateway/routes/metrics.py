"""``GET /metrics``: the legacy families, filled with what the services say when it is scraped."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory_common.errors import AlertHistoryError
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.classifications import severity_name
from alerthistory_gateway.legacy.metric_families import CONTENT_TYPE, MetricFamilies
from alerthistory_gateway.legacy.modes import MODE_NUMBERS, mode_name
from alerthistory_gateway.legacy.routing import ExactRoute

METRICS = "/metrics"
"""The path that Prometheus scrapes."""

_FETCH_LIMIT_S = 1.0


class MetricsEndpoint:
    """Shows the legacy families. Of a service that is away the last values stay."""

    def __init__(self, services: Services, families: MetricFamilies, connections: Callable[[], int]) -> None:
        self._services = services
        self._families = families
        self._connections = connections

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of this subject."""
        return [ExactRoute("GET", METRICS, self.get)]

    async def get(self, _: Request) -> Response:
        """Return the families."""
        async with asyncio.TaskGroup() as tasks:
            for fetch in (self._from_history, self._from_publisher, self._from_classifier, self._of_verdicts):
                tasks.create_task(_if_there(fetch))
        self._families.connections.set(self._connections())
        return Response(self._families.text(), headers={"content-type": CONTENT_TYPE})

    async def _from_history(self) -> None:
        asked = history_pb2.GetStatusRequest()
        status = await ask("history", self._services.history.GetStatus, asked, timeout_s=_FETCH_LIMIT_S)
        self._families.alerts_stored.set(status.occurrences)
        self._families.database_size.set(status.database_size_bytes)

    async def _from_publisher(self) -> None:
        asked = publisher_pb2.GetStatusRequest()
        status = await ask("publisher", self._services.publisher.GetStatus, asked, timeout_s=_FETCH_LIMIT_S)
        self._families.targets_discovered.set(status.targets)
        self._families.queue_size.set(status.pending)
        counted = publisher_pb2.GetStatsRequest()
        stats = await ask("publisher", self._services.publisher.GetStats, counted, timeout_s=_FETCH_LIMIT_S)
        self._families.publishings.tell(
            {
                (each.target, status): count
                for each in stats.targets
                for status, count in (("success", each.delivered), ("failure", each.dead))
                if count
            }
        )

    async def _from_classifier(self) -> None:
        asked = classifier_pb2.GetStatusRequest()
        status = await ask("classifier", self._services.classifier.GetStatus, asked, timeout_s=_FETCH_LIMIT_S)
        self._families.mode.set(MODE_NUMBERS[mode_name(status.mode)])
        self._families.transparent_alerts.tell({(): status.transparent_events})
        self._families.enriched_alerts.tell({(): sum(each.count for each in status.verdicts)})

    async def _of_verdicts(self) -> None:
        asked = classifier_pb2.GetStatsRequest()
        stats = await ask("classifier", self._services.classifier.GetStats, asked, timeout_s=_FETCH_LIMIT_S)
        self._families.classifications.tell(
            {(severity_name(each.severity), each.source): each.count for each in stats.verdicts}
        )
        self._families.classification_errors.tell({("llm",): sum(each.failures for each in stats.models)})
        self._families.cache_hits.tell({("classification",): sum(each.cache_hits for each in stats.models)})
        self._families.cache_misses.tell({("classification",): sum(each.questions for each in stats.models)})


async def _if_there(fetch: Callable[[], Awaitable[None]]) -> None:
    try:
        await fetch()
    except AlertHistoryError:
        return  # The last values stay; the log has the reason.
