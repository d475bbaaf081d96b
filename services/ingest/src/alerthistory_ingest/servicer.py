"""The gRPC interface of the ingest service."""

# ruff: noqa: N802  # The contract names the methods.

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from alerthistory.ingest.v1.ingest_service_pb2_grpc import IngestServiceServicer
from alerthistory_common import alert_codec
from alerthistory_common.alerts import ZERO_TIME, Instant
from alerthistory_common.clock import Clock
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_ingest import quarantine_codec
from alerthistory_ingest.application.importing import Importing, PastAlert
from alerthistory_ingest.application.ingest import PayloadResult
from alerthistory_ingest.application.intake import Intake
from alerthistory_ingest.application.pipeline import Pipeline
from alerthistory_ingest.application.processing import ProcessedAlert, Processing
from alerthistory_ingest.application.quarantine import Quarantine
from alerthistory_ingest.domain.payload import Payload, PayloadFormat
from alerthistory_ingest.domain.spooled import SpoolState
from alerthistory_ingest.ports import Spool

Context = grpc.aio.ServicerContext[Any, Any]

_MAX_ITEMS = 1000
_MAX_SENDER = 1000
_END_OF_TIME = Instant.from_datetime(datetime.max.replace(tzinfo=UTC))
_FORMATS = {
    pb.PAYLOAD_FORMAT_ALERTMANAGER: PayloadFormat.ALERTMANAGER,
    pb.PAYLOAD_FORMAT_PROMETHEUS: PayloadFormat.PROMETHEUS,
}


class IngestServicer(IngestServiceServicer):
    """Answers RPCs with the use cases."""

    def __init__(
        self,
        intake: Intake,
        processing: Processing,
        importing: Importing,
        quarantine: Quarantine,
        pipeline: Pipeline,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._intake = intake
        self._processing = processing
        self._importing = importing
        self._quarantine = quarantine
        self._pipeline = pipeline
        self._spool = spool
        self._clock = clock
        self._started_at = clock.now()

    async def IngestWebhook(self, request: pb.IngestWebhookRequest, context: Context) -> pb.IngestWebhookResponse:
        """Store raw payloads."""
        _check_count("payloads", request.payloads)
        now = self._clock.now()
        payloads = [_payload(f"payloads[{index}]", message, now) for index, message in enumerate(request.payloads)]
        results = await self._intake.ingest(payloads)
        return pb.IngestWebhookResponse(results=map(_result_message, results))

    async def ImportAlerts(self, request: pb.ImportAlertsRequest, context: Context) -> pb.ImportAlertsResponse:
        """Store alerts of the past."""
        _check_count("alerts", request.alerts)
        alerts = [_past_alert(message) for message in request.alerts]
        outcomes = await self._importing.import_alerts(alerts, sender=request.sender[:_MAX_SENDER])
        return pb.ImportAlertsResponse(
            results=[pb.ImportAlertResult(refusal=each.refusal, is_known=each.is_known) for each in outcomes]
        )

    async def ProcessAlerts(self, request: pb.ProcessAlertsRequest, context: Context) -> pb.ProcessAlertsResponse:
        """Store one payload and say what came of it."""
        payload = _payload("payload", request.payload, self._clock.now())
        result, alerts = await self._processing.process(payload, is_verdict_required=request.is_verdict_required)
        return pb.ProcessAlertsResponse(result=_result_message(result), alerts=map(_processed_message, alerts))

    async def ListQuarantine(self, request: pb.ListQuarantineRequest, context: Context) -> pb.ListQuarantineResponse:
        """List payloads that could not be stored."""
        page = await self._quarantine.page(page_size=request.page_size, page_token=request.page_token)
        return pb.ListQuarantineResponse(
            payloads=map(quarantine_codec.to_message, page.payloads), next_page_token=page.next_page_token
        )

    async def ReplayQuarantine(
        self, request: pb.ReplayQuarantineRequest, context: Context
    ) -> pb.ReplayQuarantineResponse:
        """Store quarantined payloads anew."""
        _check_count("quarantine_ids", request.quarantine_ids)
        results = await self._quarantine.replay(request.quarantine_ids)
        return pb.ReplayQuarantineResponse(
            results=[
                pb.ReplayResult(quarantine_id=quarantine_id, result=None if result is None else _result_message(result))
                for quarantine_id, result in zip(request.quarantine_ids, results, strict=True)
            ]
        )

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        """Return figures for dashboards."""
        return pb.GetStatusResponse(
            in_flight=self._pipeline.in_flight,
            capacity=self._pipeline.capacity,
            completed=self._pipeline.completed,
            started_at=alert_codec.timestamp(self._started_at),
            spool=_spool_message(self._spool.state, self._clock.now()),
        )


def _check_count(field: str, items: Sequence[object]) -> None:
    if len(items) > _MAX_ITEMS:
        raise InvalidArgumentError(
            f"{field} has {len(items)} elements",
            FieldViolation(field=field, description=f"must have at most {_MAX_ITEMS} elements"),
        )


def _payload(field: str, message: pb.Payload, now: Instant) -> Payload:
    if message.format not in _FORMATS:
        raise InvalidArgumentError(
            "a payload's format is missing or unknown",
            FieldViolation(field=f"{field}.format", description="must name a format"),
        )
    received_at = alert_codec.instant(message.received_at) if message.HasField("received_at") else now
    if not ZERO_TIME <= received_at <= _END_OF_TIME:
        raise InvalidArgumentError(
            "a payload was received outside of the years 1 to 9999",
            FieldViolation(field=f"{field}.received_at", description="must be in the years 1 to 9999"),
        )
    return Payload(
        body=message.body,
        format=_FORMATS[message.format],
        # A sender's clock that runs ahead must not make every later report look superseded.
        received_at=min(received_at, now),
        sender=message.sender,
        traceparent=message.traceparent,
    )


def _spool_message(state: SpoolState, now: Instant) -> pb.Spool:
    age = None if state.oldest_at is None else timedelta(microseconds=max(0, now.micros - state.oldest_at.micros))
    return pb.Spool(
        payloads=state.payloads,
        size_bytes=state.size_bytes,
        oldest_age=None if age is None else alert_codec.duration(age),
        damaged=state.damaged,
        problem=state.problem,
    )


def _past_alert(message: pb.PastAlert) -> PastAlert:
    received_at = alert_codec.instant(message.received_at) if message.HasField("received_at") else None
    return PastAlert(alert_json=message.alert_json, received_at=received_at)


def _processed_message(alert: ProcessedAlert) -> pb.ProcessedAlert:
    return pb.ProcessedAlert(
        index=alert.index,
        fingerprint=alert.fingerprint,
        verdict=None if alert.verdict is None else alert_codec.verdict_message(alert.verdict),
        is_processed=alert.is_processed,
        targets=alert.targets,
    )


def _result_message(result: PayloadResult) -> pb.PayloadResult:
    return pb.PayloadResult(
        accepted=[
            pb.AcceptedAlert(alert_name=alert.name, is_firing=alert.is_firing, decision=alert.decision)
            for alert in result.accepted
        ],
        refused_count=result.refused_count,
        errors=quarantine_codec.error_messages(result.errors),
        rejection=result.rejection,
    )
