"""The composition root of the ingest service."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import grpc

from alerthistory.ingest.v1 import ingest_service_pb2
from alerthistory.ingest.v1.ingest_service_pb2_grpc import add_IngestServiceServicer_to_server
from alerthistory_common.batching import Batcher, batcher
from alerthistory_common.clock import Clock, SystemClock
from alerthistory_common.component import Component
from alerthistory_common.process import Host
from alerthistory_ingest.adapters.classifier import GrpcClassifier
from alerthistory_ingest.adapters.history import GrpcHistory
from alerthistory_ingest.adapters.metrics import PrometheusMeter
from alerthistory_ingest.adapters.publisher import GrpcPublisher
from alerthistory_ingest.adapters.spool import SqliteSpool
from alerthistory_ingest.adapters.tracing import SpanTracer
from alerthistory_ingest.application.importing import Importing
from alerthistory_ingest.application.ingest import Ingest, ReadingRules
from alerthistory_ingest.application.intake import Intake, Outage, Replay
from alerthistory_ingest.application.pipeline import Pipeline, PipelineRules
from alerthistory_ingest.application.processing import Processing
from alerthistory_ingest.application.quarantine import Quarantine
from alerthistory_ingest.application.recorder import MAX_WEIGHT, Recorder, Submission, alone, within
from alerthistory_ingest.application.stages import BatchRules
from alerthistory_ingest.ports import Outcome
from alerthistory_ingest.servicer import IngestServicer
from alerthistory_ingest.settings import IngestSettings

# What is left of the grace period is for giving leases back.
_SHARE_OF_GRACE = 0.8
# Nobody waits for a replay: what history takes slowly it takes all the same.
_REPLAY_TIMEOUT_S = 60.0


@asynccontextmanager
async def open_ingest(
    host: Host,
    settings: IngestSettings,
    *,
    history: grpc.aio.Channel,
    classifier: grpc.aio.Channel,
    publisher: grpc.aio.Channel,
) -> AsyncIterator[Component]:
    """Yield the ingest service, which calls the others over the given channels."""
    clock = SystemClock()
    meter = PrometheusMeter(host.registry)
    tracer = SpanTracer(host.telemetry)
    owner = _lease_owner()
    store = GrpcHistory(history, lease_owner=owner, timeout_s=settings.history_timeout_s)
    patient_store = GrpcHistory(history, lease_owner=owner, timeout_s=_REPLAY_TIMEOUT_S)
    judge = GrpcClassifier(classifier, timeout_s=settings.classify_timeout_s)
    async with asyncio.TaskGroup() as tasks:
        pipeline = Pipeline(
            history=store,
            classifier=judge,
            publisher=GrpcPublisher(publisher, timeout_s=settings.publish_timeout_s),
            rules=PipelineRules(
                capacity=settings.pipeline_slots,
                busy_capacity=settings.pipeline_busy_slots,
                batches=BatchRules(
                    size=settings.pipeline_batch,
                    in_flight=settings.pipeline_batches,
                    classify_limit_s=settings.classify_timeout_s,
                ),
                poll_interval_s=settings.poll_interval_s,
            ),
            clock=clock,
            tracer=tracer,
            meter=meter,
            tasks=tasks,
        )
        meter.watch_pipeline(in_flight=lambda: pipeline.in_flight, capacity=pipeline.capacity)

        def recorder(history: GrpcHistory, *, is_store_only: bool) -> Recorder:
            batches = settings.record_batches
            return Recorder(history, pipeline, tracer, meter, batches=batches, is_store_only=is_store_only)

        is_store_only = settings.webhook == "store"
        async with (
            _batching(recorder(store, is_store_only=False), settings) as records,
            _batching(recorder(store, is_store_only=is_store_only), settings) as webhook_records,
            _open_spool(host.settings.data_dir / "spool", settings, clock) as spool,
        ):
            meter.watch_spool(lambda: spool.state, clock)
            rules, limit_s = _reading_rules(settings), settings.record_limit_s
            processed = Ingest(within(records.submit, limit_s, clock), rules, tracer, meter)
            ingest = Ingest(within(webhook_records.submit, limit_s, clock), rules, tracer, meter)
            outage = Outage()
            intake = Intake(ingest, spool, outage, meter, is_store_only=is_store_only)
            processing = Processing(
                Intake(processed, spool, outage, meter, is_store_only=False),
                pipeline,
                judge,
                limit_s=settings.process_timeout_s,
            )
            quarantine = Quarantine(store, Ingest(webhook_records.submit, rules, tracer, meter), clock)
            servicer = IngestServicer(intake, processing, Importing(store, meter), quarantine, pipeline, spool, clock)
            replay = Replay(
                spool,
                outage,
                meter,
                {
                    only: Ingest(alone(recorder(patient_store, is_store_only=only)), rules, tracer, meter)
                    for only in (False, True)
                },
            )
            tasks.create_task(pipeline.poll())
            replaying = tasks.create_task(replay.run())

            async def is_ready() -> bool:
                return not spool.state.problem or await store.is_ready()

            try:
                yield Component(
                    name="ingest",
                    register=lambda server: _register(server, servicer),
                    is_ready=is_ready,
                    drain=lambda: pipeline.drain(host.settings.drain_grace_s * _SHARE_OF_GRACE),
                )
            finally:
                replaying.cancel()
                await pipeline.drain(0)


@asynccontextmanager
async def _open_spool(folder: Path, settings: IngestSettings, clock: Clock) -> AsyncIterator[SqliteSpool]:
    spool = SqliteSpool(folder, max_bytes=settings.spool_max_bytes, max_age_s=settings.spool_max_age_s, clock=clock)
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


def _batching(
    recorder: Recorder, settings: IngestSettings
) -> AbstractAsyncContextManager[Batcher[Submission, Sequence[Outcome]]]:
    return batcher(
        recorder.record, max_items=MAX_WEIGHT, max_in_flight=settings.record_batches, weigh=Submission.weight
    )


def _register(server: grpc.aio.Server, servicer: IngestServicer) -> tuple[str, ...]:
    add_IngestServiceServicer_to_server(servicer, server)
    return (ingest_service_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name,)


def _reading_rules(settings: IngestSettings) -> ReadingRules:
    return ReadingRules(
        resolve_timeout=timedelta(seconds=settings.resolve_timeout_s),
        max_quarantined_bytes=settings.max_quarantined_bytes,
    )


def _lease_owner() -> str:
    """Return a name that no other replica has, nor this one after a restart."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
