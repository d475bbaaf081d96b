"""Metrics: one registry per process, its own port, labels from closed sets only."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from alerthistory_common.addresses import split_address
from alerthistory_common.settings import SettingsError


class CallMetrics:
    """Counts and times the RPCs that are served."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handled = Counter(
            "alerthistory_rpc_handled_total",
            "RPCs answered, by method and gRPC code",
            ["method", "code"],
            registry=registry,
        )
        self.duration = Histogram(
            "alerthistory_rpc_duration_seconds", "How long unary RPCs took", ["method"], registry=registry
        )


def new_registry() -> CollectorRegistry:
    """Return a registry that already tells about the process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def watch_tasks(registry: CollectorRegistry, loop: asyncio.AbstractEventLoop) -> None:
    """Let *registry* tell how many tasks *loop* has: what grows without load is never awaited."""
    tasks = Gauge("alerthistory_asyncio_tasks", "Tasks of the event loop that have not ended", registry=registry)
    tasks.set_function(lambda: len(asyncio.all_tasks(loop)))


@contextmanager
def metrics_port(address: str, registry: CollectorRegistry) -> Iterator[None]:
    """Serve *registry* under ``http://ADDRESS/metrics`` while the block runs; an empty address serves nothing.

    Raises SettingsError when the address cannot be bound.
    """
    if not address:
        yield
        return
    host, port = split_address(address)
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise SettingsError([f"cannot listen on {address} for metrics: {error.strerror}"]) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
