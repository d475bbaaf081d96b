"""The RPCs of the classifier: protobuf to domain and back, and no rules."""

from collections.abc import Callable
from typing import Any

import grpc

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory.classifier.v1 import classifier_service_pb2_grpc
from alerthistory_classifier import codec
from alerthistory_classifier.application.classify import Classifying
from alerthistory_classifier.application.importing import Importing
from alerthistory_classifier.application.judging import Model
from alerthistory_classifier.application.modes import Modes
from alerthistory_classifier.application.overriding import Overriding
from alerthistory_classifier.application.tallying import Tallying
from alerthistory_classifier.case_codec import cases_of, invalid
from alerthistory_classifier.domain.rules import RuleBook
from alerthistory_classifier.past_codec import past_classifications
from alerthistory_common import alert_codec, paging
from alerthistory_common.alerts import Fingerprint, Severity
from alerthistory_common.clock import Clock
from alerthistory_common.errors import FieldViolation, InvalidArgumentError, UnavailableError

Context = grpc.aio.ServicerContext[Any, Any]

_MAX_ITEMS = 1000
_MAX_DEAR_ITEMS = 100
_MAX_RULES_BYTES = 1024 * 1024
_MAX_AUTHOR = 200
_MAX_REASON = 2000
_PAGE_SIZE = 50
_MAX_DAYS = 36_500


class ClassifierServicer(classifier_service_pb2_grpc.ClassifierServiceServicer):
    """Judges alerts, shows verdicts, and owns the mode."""

    def __init__(
        self,
        classifying: Classifying,
        importing: Importing,
        modes: Modes,
        overriding: Overriding,
        tallying: Tallying,
        *,
        model: Model | None,
        rules: Callable[[], RuleBook],
        read_rules: Callable[[str], RuleBook],
        clock: Clock,
    ) -> None:
        self._classifying = classifying
        self._importing = importing
        self._modes = modes
        self._overriding = overriding
        self._tallying = tallying
        self._model = model
        self._rules = rules
        self._read_rules = read_rules
        self._started_at = clock.now()

    async def ClassifyAlerts(  # noqa: N802  # gRPC's spelling, as below.
        self, request: pb.ClassifyAlertsRequest, context: Context
    ) -> pb.ClassifyAlertsResponse:
        """Judge alerts and store the verdicts."""
        verdicts, mode = await self._classifying.classify(
            cases_of(request.cases, most=_MAX_ITEMS), is_required=request.is_verdict_required
        )
        return pb.ClassifyAlertsResponse(results=map(codec.result, verdicts), mode=codec.MODES[mode])

    async def RefreshClassifications(  # noqa: N802
        self, request: pb.RefreshClassificationsRequest, context: Context
    ) -> pb.RefreshClassificationsResponse:
        """Judge alerts anew."""
        found = await self._classifying.refresh(cases_of(request.cases, most=_MAX_DEAR_ITEMS))
        return pb.RefreshClassificationsResponse(classifications=map(codec.classification, found))

    async def ExplainClassifications(  # noqa: N802
        self, request: pb.ExplainClassificationsRequest, context: Context
    ) -> pb.ExplainClassificationsResponse:
        """Say how alerts would be judged."""
        cases = cases_of(request.cases, most=_MAX_DEAR_ITEMS)
        explained = await self._classifying.explain(cases)
        return pb.ExplainClassificationsResponse(explanations=map(codec.explanation, explained))

    async def TestRules(  # noqa: N802
        self, request: pb.TestRulesRequest, context: Context
    ) -> pb.TestRulesResponse:
        """Judge alerts by rules that are not in force."""
        cases = cases_of(request.cases, most=_MAX_ITEMS)
        tested, in_force = self._tested(request.rules_yaml), self._rules()
        return pb.TestRulesResponse(
            comparisons=[
                pb.RulesComparison(
                    tested=alert_codec.verdict_message(tested.judge(*case)),
                    in_force=alert_codec.verdict_message(in_force.judge(*case)),
                )
                for case in cases
            ]
        )

    def _tested(self, rules_yaml: bytes) -> RuleBook:
        if len(rules_yaml) > _MAX_RULES_BYTES:
            raise invalid("rules_yaml", f"must hold at most {_MAX_RULES_BYTES} bytes")
        try:
            return self._read_rules(rules_yaml.decode())
        except ValueError as error:  # UnicodeDecodeError is one.
            violation = FieldViolation(field="rules_yaml", description=str(error))
            raise InvalidArgumentError(str(error), violation) from error

    async def GetClassification(  # noqa: N802
        self, request: pb.GetClassificationRequest, context: Context
    ) -> pb.GetClassificationResponse:
        """Return the stored verdict of an alert."""
        if not request.fingerprint:
            raise invalid("fingerprint", "must be set")
        found = await self._classifying.find(Fingerprint(request.fingerprint))
        return pb.GetClassificationResponse(classification=codec.classification(found))

    async def BatchGetClassifications(  # noqa: N802
        self, request: pb.BatchGetClassificationsRequest, context: Context
    ) -> pb.BatchGetClassificationsResponse:
        """Return the stored verdicts of several alerts."""
        if len(request.fingerprints) > _MAX_ITEMS:
            raise invalid("fingerprints", f"must hold at most {_MAX_ITEMS}")
        found = await self._classifying.find_all({Fingerprint(each) for each in request.fingerprints})
        return pb.BatchGetClassificationsResponse(classifications=map(codec.classification, found))

    async def ListClassifications(  # noqa: N802
        self, request: pb.ListClassificationsRequest, context: Context
    ) -> pb.ListClassificationsResponse:
        """Return a page of stored verdicts, newest first."""
        size, least = paging.page_size(request.page_size, default=_PAGE_SIZE), request.min_confidence
        after = codec.place(paging.decode_token(request.page_token, least))
        found = await self._classifying.page(min_confidence=least, after=after, limit=size + 1)
        return pb.ListClassificationsResponse(
            classifications=map(codec.classification, found[:size]),
            next_page_token=paging.encode_token(codec.cursor(found[size - 1].place), least)
            if len(found) > size
            else "",
        )

    async def ImportClassifications(  # noqa: N802
        self, request: pb.ImportClassificationsRequest, context: Context
    ) -> pb.ImportClassificationsResponse:
        """Store verdicts of the past."""
        is_imported = await self._importing.import_all(past_classifications(request))
        return pb.ImportClassificationsResponse(is_imported=is_imported)

    async def GetMode(  # noqa: N802
        self, request: pb.GetModeRequest, context: Context
    ) -> pb.GetModeResponse:
        """Return the mode in force."""
        current = await self._modes.current()
        return pb.GetModeResponse(mode=codec.MODES[current.mode], source=codec.SOURCES[current.source])

    async def SetMode(  # noqa: N802
        self, request: pb.SetModeRequest, context: Context
    ) -> pb.SetModeResponse:
        """Set the mode, durably."""
        wanted = codec.MODES_BACK.get(request.mode)
        if wanted is None:
            raise invalid("mode", "must be a known mode")
        current = await self._modes.change(wanted, author=request.author[:_MAX_AUTHOR])
        return pb.SetModeResponse(mode=codec.MODES[current.mode], source=codec.SOURCES[current.source])

    async def ListModeChanges(  # noqa: N802
        self, request: pb.ListModeChangesRequest, context: Context
    ) -> pb.ListModeChangesResponse:
        """List who set which mode."""
        found = await self._modes.changes(paging.page_size(request.page_size, default=_PAGE_SIZE))
        return pb.ListModeChangesResponse(changes=map(codec.mode_change, found))

    async def SetOverride(  # noqa: N802
        self, request: pb.SetOverrideRequest, context: Context
    ) -> pb.SetOverrideResponse:
        """Say how serious an alert is, as a person."""
        severity = _override_severity(request)
        found = await self._overriding.set(
            Fingerprint(request.fingerprint),
            severity,
            author=request.author,
            reason=request.reason,
            alert_name=request.alert_name,
        )
        return pb.SetOverrideResponse(override=codec.override(found))

    async def RemoveOverride(  # noqa: N802
        self, request: pb.RemoveOverrideRequest, context: Context
    ) -> pb.RemoveOverrideResponse:
        """Remove an override."""
        if not request.fingerprint:
            raise invalid("fingerprint", "must be set")
        await self._overriding.remove(Fingerprint(request.fingerprint), author=request.author[:_MAX_AUTHOR])
        return pb.RemoveOverrideResponse()

    async def ListOverrides(  # noqa: N802
        self, request: pb.ListOverridesRequest, context: Context
    ) -> pb.ListOverridesResponse:
        """List overrides, newest first."""
        size = paging.page_size(request.page_size, default=_PAGE_SIZE)
        after = codec.place(paging.decode_token(request.page_token, "overrides"))
        found = await self._overriding.page(after=after, limit=size + 1)
        more = len(found) > size
        return pb.ListOverridesResponse(
            overrides=map(codec.override, found[:size]),
            next_page_token=paging.encode_token(codec.cursor(found[size - 1].place), "overrides") if more else "",
        )

    async def GetStats(  # noqa: N802
        self, request: pb.GetStatsRequest, context: Context
    ) -> pb.GetStatsResponse:
        """Count verdicts, and what the LLM did and cost."""
        if not 0 <= request.days <= _MAX_DAYS:
            raise invalid("days", f"must be 0 to {_MAX_DAYS}")
        tally = await self._tallying.total(days=request.days)
        return pb.GetStatsResponse(
            verdicts=codec.verdict_counts(tally),
            models=codec.model_usages(tally),
            daily_budget=self._tallying.prices.daily_budget,
            spent_today=self._tallying.spent_today(),
        )

    async def GetStatus(  # noqa: N802
        self, request: pb.GetStatusRequest, context: Context
    ) -> pb.GetStatusResponse:
        """Return figures for dashboards."""
        return pb.GetStatusResponse(
            classifications=await self._classifying.count(),
            mode=codec.MODES[(await self._modes.current()).mode],
            started_at=alert_codec.timestamp(self._started_at),
            model="" if self._model is None else self._model.opinions.model.name,
            redis=await self._cache_status(),
            verdicts=[
                pb.VerdictCount(severity=alert_codec.severity_message(severity), source=source, count=count)
                for (severity, source), count in self._classifying.verdicts.items()
            ],
            transparent_events=self._classifying.transparent_events,
            llm_state=self._llm_state(),
        )

    def _llm_state(self) -> pb.LlmState.ValueType:
        if self._model is None:
            return pb.LLM_STATE_UNSPECIFIED
        if self._tallying.is_budget_spent:
            return pb.LLM_STATE_BUDGET_SPENT
        return pb.LLM_STATE_FAILING if self._model.opinions.is_failing else pb.LLM_STATE_AVAILABLE

    async def _cache_status(self) -> pb.CacheStatus | None:
        try:
            took = await self._modes.shared_response_time()
        except UnavailableError:
            return pb.CacheStatus(is_available=False)
        if took is None:
            return None
        return pb.CacheStatus(is_available=True, response_time=alert_codec.duration(took))


def _override_severity(request: pb.SetOverrideRequest) -> Severity:
    """Return the severity wanted; raise InvalidArgumentError when anything about *request* is wrong."""
    if not request.fingerprint:
        raise invalid("fingerprint", "must be set")
    for field, text, most in (("author", request.author, _MAX_AUTHOR), ("reason", request.reason, _MAX_REASON)):
        if not text.strip():
            raise invalid(field, "must be set")
        if len(text) > most:
            raise invalid(field, f"must have at most {most} characters")
    severity = alert_codec.severity(request.severity)
    if severity is None:
        raise invalid("severity", "must be a known severity")
    return severity
