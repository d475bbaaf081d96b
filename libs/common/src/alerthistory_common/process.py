"""A process: one or more components on one gRPC server, with one registry of metrics and one tracer."""

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry

from alerthistory_common import crash_points
from alerthistory_common.component import Component
from alerthistory_common.exposure import check_exposure
from alerthistory_common.metrics import metrics_port, new_registry, watch_tasks
from alerthistory_common.server import drain, serve, stop_signal
from alerthistory_common.settings import CommonSettings
from alerthistory_common.telemetry import Telemetry, open_telemetry

_LOG = structlog.get_logger(__name__)
_CLOSING_LIMIT_S = 5.0


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
    A process that cannot end, because a database keeps it waiting, is ended: what was acknowledged is durable.
    """
    check_exposure(
        {f"{name} gRPC": grpc_listen, f"{name} metrics": metrics_listen, **(other_listeners or {})}, auth=settings.auth
    )
    crash_points.arm(settings.crash_at)
    registry = new_registry()
    watch_tasks(registry, asyncio.get_running_loop())
    last_resort = _last_resort(settings)
    async with AsyncExitStack() as stack:
        stack.callback(last_resort.cancel)
        telemetry = await stack.enter_async_context(open_telemetry(name, settings.otlp_endpoint))
        stack.enter_context(metrics_port(metrics_listen, registry))
        host = Host(settings=settings, registry=registry, telemetry=telemetry)
        components = [await stack.enter_async_context(open_component(host)) for open_component in openers]
        # Before anything is answered: who learns from an answer that we run may tell us to stop.
        stop = stack.enter_context(stop_signal())
        server = await stack.enter_async_context(
            serve(components, address=grpc_listen, settings=settings, registry=registry, telemetry=telemetry)
        )
        _spare_the_collector()
        _LOG.info("serving", process=name, grpc=grpc_listen, metrics=metrics_listen)
        on_started()
        await stop.wait()
        last_resort.start()
        await drain(components, server, settings)
    _LOG.info("stopped", process=name)


def _spare_the_collector() -> None:
    """Keep what stays for good out of the cyclic collector's rounds, and let it come by less often.

    Values of the domain hold no cycles: looking at each of them again and again costs a sixth of the time of a commit.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _last_resort(settings: CommonSettings) -> threading.Timer:
    """Return what ends the process when draining, open calls and closing took all the time that they may."""
    limit_s = settings.drain_delay_s + 2 * settings.drain_grace_s + _CLOSING_LIMIT_S

    def end() -> None:
        _LOG.error("the end took too long, leaving at once; nothing acknowledged is lost", limit_s=limit_s)
        os._exit(1)

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    return timer
