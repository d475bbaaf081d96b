"""The composition root of the classifier."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import structlog

from alerthistory.classifier.v1 import classifier_service_pb2_grpc
from alerthistory_classifier.adapters.http_model import ModelRules, open_model
from alerthistory_classifier.adapters.mode_store import SqlModeStore
from alerthistory_classifier.adapters.override_store import SqlOverrideStore
from alerthistory_classifier.adapters.redis_mode import RedisMode
from alerthistory_classifier.adapters.rules_file import open_rules, parse_rules
from alerthistory_classifier.adapters.store import SqlVerdictStore
from alerthistory_classifier.adapters.tally_store import SqlTallyStore
from alerthistory_classifier.application.classify import Classifying
from alerthistory_classifier.application.importing import Importing
from alerthistory_classifier.application.judging import Judging, Model
from alerthistory_classifier.application.keeping import open_keeping
from alerthistory_classifier.application.modes import Modes
from alerthistory_classifier.application.opinions import OpinionRules, open_opinions
from alerthistory_classifier.application.overrides import Overrides
from alerthistory_classifier.application.overriding import Overriding
from alerthistory_classifier.application.patience import open_patience
from alerthistory_classifier.application.tallying import Prices, Tallying, open_tallying
from alerthistory_classifier.domain.forms import Form
from alerthistory_classifier.domain.modes import configured
from alerthistory_classifier.metrics import ClassifierMetrics, ModelMetrics
from alerthistory_classifier.servicer import ClassifierServicer
from alerthistory_classifier.settings import ClassifierSettings, ignored_legacy_mode
from alerthistory_common.breaker import Breaker, BreakerMetrics, BreakerRules
from alerthistory_common.clock import Clock, SystemClock
from alerthistory_common.component import Component
from alerthistory_common.database import database_url, open_database
from alerthistory_common.postgresql import Pool
from alerthistory_common.process import Host
from alerthistory_common.redis import RedisLink, open_redis
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
            SqlModeStore(database),
            RedisMode(redis) if redis else None,
            configured=configured(settings.enrichment_mode),
            patience=patience,
            clock=clock,
            metrics=metrics,
        )
        tallying = await stack.enter_async_context(
            open_tallying(SqlTallyStore(database), _prices(settings), patience=patience, clock=clock)
        )
        overrides = Overrides(SqlOverrideStore(database), patience=patience)
        rules = await stack.enter_async_context(open_rules(settings.rules_file, registry=host.registry))
        model = await stack.enter_async_context(_open_model(host, settings, redis, tallying=tallying, clock=clock))
        judging = Judging(rules, overrides, model, tallying=tallying, clock=clock, metrics=metrics)
        classifying = Classifying(store, modes, judging, keeping=keeping, patience=patience, metrics=metrics)
        servicer = ClassifierServicer(
            classifying,
            Importing(store),
            modes,
            Overriding(overrides, store, clock=clock),
            tallying,
            model=model,
            rules=rules,
            read_rules=parse_rules,
            clock=clock,
        )

        def register(server: grpc.aio.Server) -> tuple[str, ...]:
            classifier_service_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)
            return ("alerthistory.classifier.v1.ClassifierService",)

        yield Component(name="classifier", register=register)


def _prices(settings: ClassifierSettings) -> Prices:
    return Prices(
        prompt=settings.llm_price_prompt,
        completion=settings.llm_price_completion,
        daily_budget=settings.llm_daily_budget,
    )


def model_rules(settings: ClassifierSettings) -> ModelRules:
    """Return how the language model that *settings* name is asked."""
    return ModelRules(
        url=settings.llm_url,
        model=settings.llm_model,
        form=None if settings.llm_form == "auto" else Form(settings.llm_form),
        key=settings.llm_key,
        attempts=settings.llm_attempts,
        read_timeout_s=settings.llm_read_timeout_s,
        timeout_s=settings.llm_timeout_s,
    )


@asynccontextmanager
async def _open_model(
    host: Host, settings: ClassifierSettings, redis: RedisLink | None, *, tallying: Tallying, clock: Clock
) -> AsyncIterator[Model | None]:
    """Yield the language model, None when none is configured."""
    if not settings.llm_url:
        yield None
        return
    metrics = ModelMetrics(host.registry)
    breaker = Breaker(
        BreakerRules(
            failures=settings.llm_breaker_failures,
            slow_s=settings.llm_breaker_slow_s,
            open_s=settings.llm_breaker_open_s,
        ),
        metrics=BreakerMetrics("classifier_llm", host.registry),
    )
    sharing = OpinionRules(
        concurrency=settings.llm_concurrency,
        queue=settings.llm_queue,
        ttl_s=settings.llm_cache_ttl_s,
        failure_ttl_s=settings.llm_failure_ttl_s,
        max_items=settings.llm_cache_size,
        claim_s=settings.llm_timeout_s,
    )
    async with (
        open_model(model_rules(settings), telemetry=host.telemetry, clock=clock, metrics=metrics) as model,
        open_opinions(
            model, sharing, breaker=breaker, tallying=tallying, metrics=metrics, registry=host.registry, link=redis
        ) as opinions,
    ):
        yield Model(
            opinions=opinions,
            wait_s=settings.llm_wait_s,
            is_legacy=settings.fallback == "legacy",
            metrics=metrics,
        )
