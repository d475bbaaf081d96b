"""The composition root of the publisher."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import grpc

from alerthistory.publisher.v1 import filter_service_pb2_grpc, publisher_service_pb2_grpc, target_service_pb2_grpc
from alerthistory_common.clock import Clock, SystemClock
from alerthistory_common.component import Component
from alerthistory_common.database import database_url, open_database
from alerthistory_common.postgresql import Pool
from alerthistory_common.process import Host
from alerthistory_common.redis import open_redis
from alerthistory_common.retention import deleting_daily
from alerthistory_common.schema_version import current_schema
from alerthistory_common.settings import SettingsError
from alerthistory_publisher.adapters import shared_pauses, shared_refreshes
from alerthistory_publisher.adapters.figures import SqlFigures
from alerthistory_publisher.adapters.http_sender import open_sender
from alerthistory_publisher.adapters.rate_limits import MovingWindows
from alerthistory_publisher.adapters.rules import SqlRuleStore
from alerthistory_publisher.adapters.store import SqlDeliveryStore
from alerthistory_publisher.adapters.targets_directory import TargetsDirectory
from alerthistory_publisher.adapters.targets_file import TargetsFile
from alerthistory_publisher.application.couriers import Courier
from alerthistory_publisher.application.dispatch import Dispatcher
from alerthistory_publisher.application.filtering import Filtering
from alerthistory_publisher.application.lanes import Lanes, breaker_rules
from alerthistory_publisher.application.pauses import Pauses
from alerthistory_publisher.application.planning import Planning
from alerthistory_publisher.application.previewing import Previewing
from alerthistory_publisher.application.publish import Publishing
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.application.testing import Testing
from alerthistory_publisher.application.upkeep import Upkeep
from alerthistory_publisher.domain.destinations import Destinations, networks_of
from alerthistory_publisher.domain.outcomes import Backoff, full_jitter
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import TargetSource
from alerthistory_publisher.servicer import FilterServicer, PublisherServicer, TargetServicer
from alerthistory_publisher.settings import PublisherSettings, namespaces_of

SCHEMA = "publisher"
MIGRATIONS = Path(__file__).parent / "migrations"
_SERVICES = tuple(f"alerthistory.publisher.v1.{name}Service" for name in ("Publisher", "Target", "Filter"))
_DRAIN_SHARE = 0.7


@asynccontextmanager
async def open_publisher(
    host: Host,
    settings: PublisherSettings,
    *,
    clock: Clock | None = None,
    backoff: Backoff | None = None,
) -> AsyncIterator[Component]:
    """Yield the publisher. *clock* and *backoff* are for tests."""
    clock = clock or SystemClock()
    metrics = PublisherMetrics(host.registry)
    directory = await _open_targets(settings, metrics)
    url = database_url(host.settings, settings.database_url, SCHEMA)
    destinations = Destinations(networks_of(settings.allowed_networks))
    async with (
        open_database(url, schema=SCHEMA, pool=Pool.of(host.settings)) as database,
        current_schema(database, scripts=MIGRATIONS, program="alerthistory-publisher"),
        open_sender(host.telemetry, destinations, allows_http=settings.allow_http) as sender,
        open_redis(host.settings.redis_url, name=SCHEMA, registry=host.registry) as redis,
    ):
        store, figures = SqlDeliveryStore(database), SqlFigures(database)
        pauses = Pauses(clock)
        filtering = Filtering(SqlRuleStore(database), metrics=metrics)
        max_age = timedelta(seconds=settings.max_age_s)
        planning = Planning(store, directory, filtering, metrics=metrics, max_age=max_age)
        lanes = Lanes(
            concurrency=settings.target_concurrency,
            ahead=settings.target_claims,
            rules=breaker_rules(open_s=settings.breaker_open_s),
        )
        courier = Courier(sender, clock)
        dispatcher = Dispatcher(
            store,
            courier,
            directory,
            clock=clock,
            metrics=metrics,
            pauses=pauses,
            limits=MovingWindows(redis),
            lanes=lanes,
            backoff=backoff or full_jitter(random.random),
        )
        publishing = Publishing(
            store, figures, directory, planning, clock=clock, metrics=metrics, max_age=max_age, wake=dispatcher.wake
        )
        upkeep = Upkeep(store, figures, directory, lanes, clock=clock, metrics=metrics)

        def register(server: grpc.aio.Server) -> tuple[str, ...]:
            publisher_service_pb2_grpc.add_PublisherServiceServicer_to_server(
                PublisherServicer(publishing, planning, directory, clock=clock), server
            )
            target_service_pb2_grpc.add_TargetServiceServicer_to_server(
                TargetServicer(
                    directory, Testing(directory, courier, clock=clock), Previewing(directory, clock), clock=clock
                ),
                server,
            )
            filter_service_pb2_grpc.add_FilterServiceServicer_to_server(FilterServicer(filtering), server)
            return _SERVICES

        def names() -> Iterator[str]:
            return (target.name for target in directory.enabled())

        async with (
            shared_pauses.shared(pauses, redis, names),
            shared_refreshes.shared(directory, redis),
            deleting_daily(store.delete_before, what="deliveries", days=host.settings.retention_days, clock=clock),
            asyncio.TaskGroup() as tasks,
        ):
            background = [
                tasks.create_task(dispatcher.run()),
                tasks.create_task(directory.keep_fresh()),
                tasks.create_task(upkeep.run()),
            ]
            try:
                yield Component(
                    name="publisher",
                    register=register,
                    is_ready=database.is_available,
                    drain=partial(dispatcher.drain, host.settings.drain_grace_s * _DRAIN_SHARE),
                )
            finally:
                for task in background:
                    task.cancel()


async def _open_targets(settings: PublisherSettings, metrics: PublisherMetrics) -> TargetDirectory:
    """Return the targets of all sources; raise SettingsError when one cannot be used as it is configured."""
    every = timedelta(seconds=settings.targets_refresh_s)
    directory = TargetDirectory(*_target_sources(settings), metrics=metrics, every=every)
    if wrong := await directory.start():
        raise SettingsError(f"{settings.variable(f'targets_{each.source}')}: {each.text}" for each in wrong)
    return directory


def _target_sources(settings: PublisherSettings) -> Iterator[TargetSource]:
    allow_http = settings.allow_http
    if settings.targets_file is not None:
        yield TargetsFile(settings.targets_file, allow_http=allow_http)
    if settings.targets_directory is not None:
        yield TargetsDirectory(settings.targets_directory, allow_http=allow_http)
    if namespaces := namespaces_of(settings.kubernetes_namespaces):
        # Who does without Kubernetes does without its client, too.
        from alerthistory_publisher.adapters.targets_kubernetes import KubernetesSecrets

        yield KubernetesSecrets(namespaces, allow_http=allow_http)
