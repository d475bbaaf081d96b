"""The composition root of the gateway."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing

import grpc
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from alerthistory_common.clock import SystemClock
from alerthistory_common.component import Component
from alerthistory_common.interceptors import Anonymous
from alerthistory_common.process import Host
from alerthistory_gateway.admission import Admission
from alerthistory_gateway.authentication import Authentication
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.clients import Services
from alerthistory_gateway.errors import ErrorAnswers
from alerthistory_gateway.farewell import Farewell
from alerthistory_gateway.http_server import HttpServer, bind, serve_http
from alerthistory_gateway.intake import Intake, open_intake
from alerthistory_gateway.legacy.cors import Cors
from alerthistory_gateway.legacy.metric_families import MetricFamilies
from alerthistory_gateway.legacy.routing import LegacyRouter
from alerthistory_gateway.measuring import Measuring
from alerthistory_gateway.metrics import GatewayMetrics
from alerthistory_gateway.rate_limit import RateLimit
from alerthistory_gateway.readiness import Readiness
from alerthistory_gateway.request_id import RequestId
from alerthistory_gateway.routes.alertmanager_api import AlertmanagerApi
from alerthistory_gateway.routes.classification import ClassificationEndpoints
from alerthistory_gateway.routes.dashboard import DashboardEndpoints
from alerthistory_gateway.routes.documentation import Documentation
from alerthistory_gateway.routes.enrichment import EnrichmentEndpoint
from alerthistory_gateway.routes.health import PROBES, HealthEndpoints
from alerthistory_gateway.routes.history import HistoryEndpoint
from alerthistory_gateway.routes.metrics import METRICS, MetricsEndpoint
from alerthistory_gateway.routes.pages import Pages
from alerthistory_gateway.routes.proxy_management import ProxyManagement
from alerthistory_gateway.routes.publishing import PublishingManagement
from alerthistory_gateway.routes.report import ReportEndpoint
from alerthistory_gateway.routes.universal_webhook import UniversalWebhookEndpoints
from alerthistory_gateway.routes.webhook import WebhookEndpoint
from alerthistory_gateway.settings import GatewaySettings
from alerthistory_gateway.shedding import Shedding
from alerthistory_gateway.tracing import traced
from alerthistory_gateway.wiring import WiringReader

# What Alertmanager and Prometheus post to, again and again until it is taken.
_SHED = frozenset({"/webhook", "/api/v2/alerts"})


@asynccontextmanager
async def open_gateway(
    host: Host,
    settings: GatewaySettings,
    *,
    ingest: grpc.aio.Channel,
    history: grpc.aio.Channel,
    classifier: grpc.aio.Channel,
    publisher: grpc.aio.Channel,
) -> AsyncIterator[Component]:
    """Yield the gateway, which answers HTTP from now on; raise SettingsError when its port cannot be bound."""
    services = Services(ingest=ingest, history=history, classifier=classifier, publisher=publisher)
    metrics = GatewayMetrics(host.registry)
    readiness = Readiness(services)
    connections = _Connections()
    # Bound before anything is opened, so that a taken port is reported as what it is.
    with closing(bind(settings.host, settings.port)) as listener:
        async with open_intake(
            services, settings=settings, telemetry=host.telemetry, metrics=metrics, clock=SystemClock()
        ) as intake:
            admission = Admission(
                max_requests=settings.webhook_concurrency,
                max_bytes=settings.max_pending_bytes,
                gauge=metrics.webhooks_in_hand,
            )
            routes = _routes(services, settings, intake, admission, readiness, metrics, connections)
            app = traced(_behind_middleware(LegacyRouter(routes), settings, metrics), host.telemetry)
            farewell = Farewell(Shedding(RequestId(app), admission, metrics, paths=_SHED))
            async with serve_http(farewell, listener, settings) as server:
                connections.server = server
                yield Component(name="gateway", is_ready=readiness.is_ready, leave=farewell.begin, drain=server.drain)


class _Connections:
    """How many connections are open, for endpoints that are made before the server is."""

    server: HttpServer | None = None

    def __call__(self) -> int:
        return self.server.connections if self.server is not None else 0


def _behind_middleware(router: ASGIApp, settings: GatewaySettings, metrics: GatewayMetrics) -> ASGIApp:
    limited = RateLimit(
        router,
        per_s=settings.rate_limit,
        webhooks_per_s=settings.webhook_rate_limit,
        unlimited=PROBES | {METRICS},
        refused=metrics.rate_limited,
    )
    guarded = Authentication(limited, Anonymous(), public=PROBES)
    return Measuring(Cors(ErrorAnswers(guarded)), metrics)


def _routes(
    services: Services,
    settings: GatewaySettings,
    intake: Intake,
    admission: Admission,
    readiness: Readiness,
    metrics: GatewayMetrics,
    connections: _Connections,
) -> Sequence[BaseRoute]:
    """Return all routes; where several match one path, the first gives the answer and the ``allow`` header."""
    clock = SystemClock()
    families = MetricFamilies()
    families.started.set(clock.now().micros / 1_000_000)
    bodies = BodyReader(max_bytes=settings.max_body_bytes, timeout_s=settings.request_timeout_s)
    limit_s = settings.request_timeout_s
    webhook = WebhookEndpoint(intake=intake, admission=admission, bodies=bodies, families=families, clock=clock)
    health = HealthEndpoints(readiness, clock=clock)
    wiring = WiringReader(services)
    universal = UniversalWebhookEndpoints(
        intake=intake, admission=admission, bodies=bodies, families=families, wiring=wiring
    )
    return [
        *Documentation().routes(),
        *ClassificationEndpoints(services, bodies=bodies, wiring=wiring, timeout_s=limit_s, clock=clock).routes(),
        *universal.routes(),
        *health.webhook_routes(),
        *universal.proxy_routes(),
        *ProxyManagement(services, bodies=bodies, timeout_s=limit_s, clock=clock).routes(),
        *PublishingManagement(services, bodies=bodies, timeout_s=limit_s, clock=clock).routes(),
        *DashboardEndpoints(services, timeout_s=limit_s, clock=clock).routes(),
        *EnrichmentEndpoint(services, bodies=bodies, families=families, timeout_s=limit_s).routes(),
        *health.routes(),
        *webhook.routes(),
        *HistoryEndpoint(services, timeout_s=limit_s).routes(),
        *ReportEndpoint(services, timeout_s=limit_s, clock=clock).routes(),
        *MetricsEndpoint(services, families, connections).routes(),
        *AlertmanagerApi(intake=intake, admission=admission, bodies=bodies).routes(),
        *Pages().routes(),
    ]
