"""The RPCs of the classifier: protobuf to domain and back, and no rules."""

from typing import Any

import grpc

from alerthistory.classifier.v1 import classifier_service_pb2, classifier_service_pb2_grpc
from alerthistory_classifier.application.classify import Case, Classifying
from alerthistory_classifier.application.importing import Importing
from alerthistory_classifier.application.modes import Modes
from alerthistory_classifier.domain.modes import Mode, ModeSource
from alerthistory_classifier.past_codec import past_classifications
from alerthistory_classifier.ports import Classification, Place
from alerthistory_common import alert_codec, paging
from alerthistory_common.alerts import Fingerprint, Verdict
from alerthistory_common.clock import Clock
from alerthistory_common.errors import (
    FieldViolation,
    InvalidArgumentError,
    PageTokenMismatchError,
    UnavailableError,
)

Context = grpc.aio.ServicerContext[Any, Any]

_MAX_ITEMS = 1000
_PAGE_SIZE = 50
_MODES = {mode: classifier_service_pb2.EnrichmentMode.Value(f"ENRICHMENT_MODE_{mode.name}") for mode in Mode}
_MODES_BACK = {value: key for key, value in _MODES.items()}
_SOURCES = {source: classifier_service_pb2.ModeSource.Value(f"MODE_SOURCE_{source.name}") for source in ModeSource}


class ClassifierServicer(classifier_service_pb2_grpc.ClassifierServiceServicer):
    """Judges alerts, shows verdicts, and owns the mode."""

    def __init__(self, classifying: Classifying, importing: Importing, modes: Modes, *, clock: Clock) -> None:
        self._classifying = classifying
        self._importing = importing
        self._modes = modes
        self._started_at = clock.now()

    async def ClassifyAlerts(  # noqa: N802  # gRPC's spelling, as below.
        self, request: classifier_service_pb2.ClassifyAlertsRequest, context: Context
    ) -> classifier_service_pb2.ClassifyAlertsResponse:
        """Judge alerts and store the verdicts."""
        if len(request.cases) > _MAX_ITEMS:
            raise _invalid("cases", f"must hold at most {_MAX_ITEMS}")
        verdicts, mode = await self._classifying.classify(_cases(request))
        return classifier_service_pb2.ClassifyAlertsResponse(results=map(_result, verdicts), mode=_MODES[mode])

    async def GetClassification(  # noqa: N802
        self, request: classifier_service_pb2.GetClassificationRequest, context: Context
    ) -> classifier_service_pb2.GetClassificationResponse:
        """Return the stored verdict of an alert."""
        if not request.fingerprint:
            raise _invalid("fingerprint", "must be set")
        found = await self._classifying.find(Fingerprint(request.fingerprint))
        return classifier_service_pb2.GetClassificationResponse(classification=_message(found))

    async def BatchGetClassifications(  # noqa: N802
        self, request: classifier_service_pb2.BatchGetClassificationsRequest, context: Context
    ) -> classifier_service_pb2.BatchGetClassificationsResponse:
        """Return the stored verdicts of several alerts."""
        if len(request.fingerprints) > _MAX_ITEMS:
            raise _invalid("fingerprints", f"must hold at most {_MAX_ITEMS}")
        found = await self._classifying.find_all({Fingerprint(each) for each in request.fingerprints})
        return classifier_service_pb2.BatchGetClassificationsResponse(classifications=map(_message, found))

    async def ListClassifications(  # noqa: N802
        self, request: classifier_service_pb2.ListClassificationsRequest, context: Context
    ) -> classifier_service_pb2.ListClassificationsResponse:
        """Return a page of stored verdicts, newest first."""
        size, least = paging.page_size(request.page_size, default=_PAGE_SIZE), request.min_confidence
        after = _place(paging.decode_token(request.page_token, least))
        found = await self._classifying.page(min_confidence=least, after=after, limit=size + 1)
        return classifier_service_pb2.ListClassificationsResponse(
            classifications=map(_message, found[:size]),
            next_page_token=paging.encode_token(_cursor(found[size - 1]), least) if len(found) > size else "",
        )

    async def ImportClassifications(  # noqa: N802
        self, request: classifier_service_pb2.ImportClassificationsRequest, context: Context
    ) -> classifier_service_pb2.ImportClassificationsResponse:
        """Store verdicts of the past."""
        is_imported = await self._importing.import_all(past_classifications(request))
        return classifier_service_pb2.ImportClassificationsResponse(is_imported=is_imported)

    async def GetMode(  # noqa: N802
        self, request: classifier_service_pb2.GetModeRequest, context: Context
    ) -> classifier_service_pb2.GetModeResponse:
        """Return the mode in force."""
        current = await self._modes.current()
        return classifier_service_pb2.GetModeResponse(mode=_MODES[current.mode], source=_SOURCES[current.source])

    async def SetMode(  # noqa: N802
        self, request: classifier_service_pb2.SetModeRequest, context: Context
    ) -> classifier_service_pb2.SetModeResponse:
        """Set the mode, durably."""
        if request.mode not in _MODES_BACK:
            raise _invalid("mode", "must be a known mode")
        current = await self._modes.change(_MODES_BACK[request.mode])
        return classifier_service_pb2.SetModeResponse(mode=_MODES[current.mode], source=_SOURCES[current.source])

    async def GetStatus(  # noqa: N802
        self, request: classifier_service_pb2.GetStatusRequest, context: Context
    ) -> classifier_service_pb2.GetStatusResponse:
        """Return figures for dashboards."""
        return classifier_service_pb2.GetStatusResponse(
            classifications=await self._classifying.count(),
            mode=_MODES[(await self._modes.current()).mode],
            started_at=alert_codec.timestamp(self._started_at),
            redis=await self._cache_status(),
            verdicts=[
                classifier_service_pb2.VerdictCount(
                    severity=alert_codec.severity_message(severity), source=source, count=count
                )
                for (severity, source), count in self._classifying.verdicts.items()
            ],
            transparent_events=self._classifying.transparent_events,
        )

    async def _cache_status(self) -> classifier_service_pb2.CacheStatus | None:
        try:
            took = await self._modes.shared_response_time()
        except UnavailableError:
            return classifier_service_pb2.CacheStatus(is_available=False)
        if took is None:
            return None
        return classifier_service_pb2.CacheStatus(is_available=True, response_time=alert_codec.duration(took))


def _message(found: Classification) -> classifier_service_pb2.Classification:
    return classifier_service_pb2.Classification(
        fingerprint=found.fingerprint,
        alert_name=found.alert_name,
        verdict=alert_codec.verdict_message(found.verdict),
        created_at=alert_codec.timestamp(found.created_at),
        metadata_json=found.metadata_json,
    )


def _cursor(found: Classification) -> paging.Cursor:
    given_at, key = found.place
    return given_at, key.hex()


def _place(cursor: paging.Cursor | None) -> Place | None:
    if cursor is None:
        return None
    try:
        given_at, key = cursor
        return int(given_at), bytes.fromhex(str(key))
    except ValueError as error:
        raise PageTokenMismatchError("page_token is not one of ours") from error


def _cases(request: classifier_service_pb2.ClassifyAlertsRequest) -> list[Case]:
    """Return the cases; raise InvalidArgumentError naming every one that cannot be understood."""
    found, violations = [], []
    for number, message in enumerate(request.cases):
        try:
            found.append(Case(alert_codec.event(message.event), alert_codec.history(message.history)))
        except ValueError as error:
            violations.append(FieldViolation(field=f"cases[{number}].event.kind", description=str(error)))
    if violations:
        raise InvalidArgumentError("some events cannot be understood", *violations)
    return found


def _result(verdict: Verdict | None) -> classifier_service_pb2.ClassifyResult:
    return classifier_service_pb2.ClassifyResult(
        verdict=None if verdict is None else alert_codec.verdict_message(verdict)
    )


def _invalid(field: str, description: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{field} {description}", FieldViolation(field=field, description=description))
