"""The composition root of the classifier."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import structlog

from alerthistory.classifier.v1 import classifier_service_pb2_grpc
from alerthistory_classifier.adapters.redis_mode import RedisMode
from alerthistory_classifier.adapters.store import SqlVerdictStore
from alerthistory_classifier.application.classify import Classifying
from alerthistory_classifier.application.importing import Importing
from alerthistory_classifier.application.keeping import open_keeping
from alerthistory_classifier.application.modes import Modes
from alerthistory_classifier.application.patience import open_patience
from alerthistory_classifier.domain.modes import configured
from alerthistory_classifier.metrics import ClassifierMetrics
from alerthistory_classifier.servicer import ClassifierServicer
from alerthistory_classifier.settings import ClassifierSettings, ignored_legacy_mode
from alerthistory_common.clock import Clock, SystemClock
from alerthistory_common.component import Component
from alerthistory_common.database import database_url, open_database
from alerthistory_common.postgresql import Pool
from alerthistory_common.process import Host
from alerthistory_common.redis import open_redis
from alerthistory_common.retention import deleting_daily
from alerthistory_common.schema_version import current_schema

SCHEMA = "classifier"
MIGRATIONS = Path(__file__).parent / "migrations"
_LOG = structlog.get_logger(__name__)


@asynccontextmanager
async def open_classifier(
    host: Host, settings: ClassifierSettings, *, clock: Clock | None = None
) -> AsyncIterator[Component]:
    """Yield the classifier. It is always ready: verdicts need no database."""
    clock = clock or SystemClock()
    if ignored := ignored_legacy_mode(os.environ):
        _LOG.warning("ENRICHMENT_MODE is none of the modes and is ignored", value=ignored[:50])
    url = database_url(host.settings, settings.database_url, SCHEMA)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(url, schema=SCHEMA, pool=Pool.of(host.settings)))
        await stack.enter_async_context(current_schema(database, scripts=MIGRATIONS, program="alerthistory-classifier"))
        store, metrics = SqlVerdictStore(database), ClassifierMetrics(host.registry)
        redis = await stack.enter_async_context(
            open_redis(host.settings.redis_url, name=SCHEMA, registry=host.registry)
        )
        await stack.enter_async_context(
            deleting_daily(store.delete_before, what="verdicts", days=host.settings.retention_days, clock=clock)
        )
        patience = await stack.enter_async_context(open_patience())
        keeping = await stack.enter_async_context(open_keeping(store, patience))
        modes = Modes(
            store,
            RedisMode(redis) if redis else None,
            configured=configured(settings.enrichment_mode),
            patience=patience,
            clock=clock,
            metrics=metrics,
        )
        servicer = ClassifierServicer(
            Classifying(store, modes, keeping=keeping, patience=patience, clock=clock, metrics=metrics),
            Importing(store),
            modes,
            clock=clock,
        )

        def register(server: grpc.aio.Server) -> tuple[str, ...]:
            classifier_service_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)
            return ("alerthistory.classifier.v1.ClassifierService",)

        yield Component(name="classifier", register=register)
