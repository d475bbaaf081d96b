"""A process: one or more components on one gRPC server, with one registry of metrics and one tracer."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry

from alerthistory_common.component import Component
from alerthistory_common.exposure import check_exposure
from alerthistory_common.metrics import metrics_port, new_registry
from alerthistory_common.server import serve, until_stopped
from alerthistory_common.settings import CommonSettings
from alerthistory_common.telemetry import Telemetry, open_telemetry

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a process lends to the components in it."""

    settings: CommonSettings
    registry: CollectorRegistry
    telemetry: Telemetry


OpenComponent = Callable[[Host], AbstractAsyncContextManager[Component]]


async def run_process(
    name: str,
    openers: Sequence[OpenComponent],
    *,
    settings: CommonSettings,
    grpc_listen: str,
    metrics_listen: str,
    other_listeners: dict[str, str] | None = None,
    on_started: Callable[[], None] = lambda: None,
) -> None:
    """Open the components in order, serve them until SIGTERM or SIGINT, drain them in reverse, and close everything.

    *other_listeners* maps settings to addresses that a component itself listens on, for the check of who can reach us.
    *on_started* is called once calls are answered. Raises SettingsError when an address cannot or must not be bound.
    """
    check_exposure(
        {f"{name} gRPC": grpc_listen, f"{name} metrics": metrics_listen, **(other_listeners or {})}, auth=settings.auth
    )
    if settings.redis_url:
        _LOG.warning("Redis is not used yet: caches stay in memory")
    registry = new_registry()
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(open_telemetry(name, settings.otlp_endpoint))
        stack.enter_context(metrics_port(metrics_listen, registry))
        host = Host(settings=settings, registry=registry, telemetry=telemetry)
        components = [await stack.enter_async_context(open_component(host)) for open_component in openers]
        server = await stack.enter_async_context(
            serve(components, address=grpc_listen, settings=settings, registry=registry, telemetry=telemetry)
        )
        _LOG.info("serving", process=name, grpc=grpc_listen, metrics=metrics_listen)
        on_started()
        await until_stopped(components, server, settings)
    _LOG.info("stopped", process=name)
