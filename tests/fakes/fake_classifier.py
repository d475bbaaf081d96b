"""The classifier in memory: verdicts, overrides, the mode, and where it comes from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import grpc
import yaml
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as pb2
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Severity
from alerthistory_common.errors import InvalidArgumentError, NotFoundError, PageTokenMismatchError
from tests.fakes.rpc import Context, Methods, serve_unary

SERVICE = "alerthistory.classifier.v1.ClassifierService"

_T = TypeVar("_T")
_SURE = 0.8


class FakeClassifier:
    """Keeps all in memory, lists newest first, and judges by *rules*: the severities of alerts by their names.

    An alert without a rule is what its label ``severity`` says, otherwise a warning. The LLM *status.model* would be
    asked about what is not sure. Rules to test are YAML like ``{severities: {HighLatency: info}}``.
    """

    def __init__(self, *, largest_page: int = 1000) -> None:
        self.mode: pb2.EnrichmentMode.ValueType = pb2.ENRICHMENT_MODE_ENRICHED
        self.mode_changes: list[pb2.ModeChange] = []
        self.status = pb2.GetStatusResponse()
        self.classifications: list[pb2.Classification] = []
        self.overrides: list[pb2.Override] = []
        self.removed_by: list[str] = []
        self.rules: dict[str, Severity] = {}
        self.judged: list[pb2.ClassifyCase] = []
        self.calls: list[int] = []
        self.stats = pb2.GetStatsResponse()
        self.stats_days: list[int] = []
        self.source: pb2.ModeSource.ValueType = pb2.MODE_SOURCE_DEFAULT
        self._largest_page = largest_page

    def register(self, server: grpc.aio.Server) -> None:
        """Serve on *server*."""
        serve_unary(server, SERVICE, self.methods())

    def methods(self) -> Methods:
        """Return the RPCs; they raise errors of the common tree."""
        return {
            "GetMode": (pb2.GetModeRequest, self._get),
            "SetMode": (pb2.SetModeRequest, self._set),
            "ListModeChanges": (pb2.ListModeChangesRequest, self._list_mode_changes),
            "GetStatus": (pb2.GetStatusRequest, self._status),
            "GetStats": (pb2.GetStatsRequest, self._get_stats),
            "GetClassification": (pb2.GetClassificationRequest, self._get_classification),
            "BatchGetClassifications": (pb2.BatchGetClassificationsRequest, self._batch),
            "ListClassifications": (pb2.ListClassificationsRequest, self._list),
            "RefreshClassifications": (pb2.RefreshClassificationsRequest, self._refresh),
            "ExplainClassifications": (pb2.ExplainClassificationsRequest, self._explain),
            "TestRules": (pb2.TestRulesRequest, self._test_rules),
            "SetOverride": (pb2.SetOverrideRequest, self._set_override),
            "RemoveOverride": (pb2.RemoveOverrideRequest, self._remove_override),
            "ListOverrides": (pb2.ListOverridesRequest, self._list_overrides),
        }

    async def _get(self, _: pb2.GetModeRequest, __: Context) -> pb2.GetModeResponse:
        return pb2.GetModeResponse(mode=self.mode, source=self.source)

    async def _set(self, request: pb2.SetModeRequest, _: Context) -> pb2.SetModeResponse:
        previous = self.mode if self.mode_changes else pb2.ENRICHMENT_MODE_UNSPECIFIED
        change = pb2.ModeChange(previous=previous, mode=request.mode, changed_at=_now(), author=request.author[:200])
        self.mode_changes.insert(0, change)
        self.mode, self.source = request.mode, pb2.MODE_SOURCE_MEMORY
        return pb2.SetModeResponse(mode=self.mode, source=self.source)

    async def _list_mode_changes(self, request: pb2.ListModeChangesRequest, _: Context) -> pb2.ListModeChangesResponse:
        return pb2.ListModeChangesResponse(changes=self.mode_changes[: request.page_size or 50])

    async def _status(self, _: pb2.GetStatusRequest, __: Context) -> pb2.GetStatusResponse:
        self.status.mode = self.mode
        return self.status

    async def _get_stats(self, request: pb2.GetStatsRequest, _: Context) -> pb2.GetStatsResponse:
        self.stats_days.append(request.days)
        return self.stats

    async def _get_classification(
        self, request: pb2.GetClassificationRequest, _: Context
    ) -> pb2.GetClassificationResponse:
        for each in self.classifications:
            if each.fingerprint == request.fingerprint:
                return pb2.GetClassificationResponse(classification=each)
        raise NotFoundError("this alert was never judged")

    async def _batch(
        self, request: pb2.BatchGetClassificationsRequest, _: Context
    ) -> pb2.BatchGetClassificationsResponse:
        found = [each for each in self.classifications if each.fingerprint in request.fingerprints]
        return pb2.BatchGetClassificationsResponse(classifications=found)

    async def _list(self, request: pb2.ListClassificationsRequest, _: Context) -> pb2.ListClassificationsResponse:
        found = [each for each in self.classifications if each.verdict.confidence >= request.min_confidence]
        page, token = self._page(found, request.page_size, request.page_token)
        return pb2.ListClassificationsResponse(classifications=page, next_page_token=token)

    async def _refresh(
        self, request: pb2.RefreshClassificationsRequest, _: Context
    ) -> pb2.RefreshClassificationsResponse:
        self._take(request.cases, most=100)
        judged = [
            pb2.Classification(
                fingerprint=case.event.fingerprint,
                alert_name=case.event.alert_name,
                verdict=self._verdict(case),
                created_at=_now(),
            )
            for case in request.cases
        ]
        anew = {each.fingerprint for each in judged}
        kept = [each for each in self.classifications if each.fingerprint not in anew]
        self.classifications = [*judged[::-1], *kept]
        return pb2.RefreshClassificationsResponse(classifications=judged)

    async def _explain(
        self, request: pb2.ExplainClassificationsRequest, _: Context
    ) -> pb2.ExplainClassificationsResponse:
        self._take(request.cases, most=100)
        return pb2.ExplainClassificationsResponse(explanations=map(self._explanation, request.cases))

    async def _test_rules(self, request: pb2.TestRulesRequest, _: Context) -> pb2.TestRulesResponse:
        rules = _parsed(request.rules_yaml)
        self._take(request.cases, most=1000)
        comparisons = [
            pb2.RulesComparison(tested=_by_rules(case, rules), in_force=_by_rules(case, self.rules))
            for case in request.cases
        ]
        return pb2.TestRulesResponse(comparisons=comparisons)

    async def _set_override(self, request: pb2.SetOverrideRequest, _: Context) -> pb2.SetOverrideResponse:
        for field in ("fingerprint", "severity", "author", "reason"):
            if not getattr(request, field):
                raise InvalidArgumentError(f"{field} must be set")
        override = pb2.Override(
            fingerprint=request.fingerprint,
            alert_name=request.alert_name,
            severity=request.severity,
            author=request.author,
            reason=request.reason,
            created_at=_now(),
        )
        self.overrides = [override, *(each for each in self.overrides if each.fingerprint != request.fingerprint)]
        return pb2.SetOverrideResponse(override=override)

    async def _remove_override(self, request: pb2.RemoveOverrideRequest, _: Context) -> pb2.RemoveOverrideResponse:
        found = self._override(request.fingerprint)
        if found is None:
            raise NotFoundError("this alert has no override")
        self.overrides.remove(found)
        self.removed_by.append(request.author)
        return pb2.RemoveOverrideResponse()

    async def _list_overrides(self, request: pb2.ListOverridesRequest, _: Context) -> pb2.ListOverridesResponse:
        page, token = self._page(self.overrides, request.page_size, request.page_token)
        return pb2.ListOverridesResponse(overrides=page, next_page_token=token)

    def _take(self, cases: Sequence[pb2.ClassifyCase], *, most: int) -> None:
        if len(cases) > most:
            raise InvalidArgumentError(f"cases must hold at most {most}")
        if any(not case.event.kind for case in cases):
            raise InvalidArgumentError("some events cannot be understood")
        self.calls.append(len(cases))
        self.judged.extend(cases)

    def _override(self, fingerprint: str) -> pb2.Override | None:
        return next((each for each in self.overrides if each.fingerprint == fingerprint), None)

    def _verdict(self, case: pb2.ClassifyCase) -> alert_pb2.Verdict:
        override = self._override(case.event.fingerprint)
        if override is None:
            return _by_rules(case, self.rules)
        return alert_pb2.Verdict(severity=override.severity, confidence=1, reasoning=override.reason, source="override")

    def _explanation(self, case: pb2.ClassifyCase) -> pb2.Explanation:
        verdict, override = _by_rules(case, self.rules), self._override(case.event.fingerprint)
        why_not = ""
        if override is not None:
            why_not = "an override is in force"
        elif not self.status.model:
            why_not = "no LLM is configured"
        elif verdict.confidence >= _SURE:
            why_not = "the rules are sure"
        question = {"model": self.status.model, "labels": json.loads(case.event.labels_json)}
        return pb2.Explanation(
            rules_verdict=verdict,
            override=override,
            question="" if why_not else json.dumps(question),
            not_asked_because=why_not,
            template_hash=hashlib.sha256(case.event.alert_name.encode()).hexdigest(),
        )

    def _page(self, items: Sequence[_T], page_size: int, token: str) -> tuple[Sequence[_T], str]:
        if token and not token.isdecimal():
            raise PageTokenMismatchError("page_token is not one of ours")
        begin = int(token or 0)
        end = begin + min(page_size or 50, self._largest_page)
        return items[begin:end], str(end) if end < len(items) else ""


def _by_rules(case: pb2.ClassifyCase, rules: Mapping[str, Severity]) -> alert_pb2.Verdict:
    label = json.loads(case.event.labels_json).get("severity")
    if case.event.alert_name in rules:
        severity, confidence, rule = rules[case.event.alert_name], 0.9, f"named-{case.event.alert_name}"
    elif label in set(Severity):
        severity, confidence, rule = Severity(label), 0.65, "sender"
    else:
        severity, confidence, rule = Severity.WARNING, 0.3, "unknown"
    return alert_pb2.Verdict(
        severity=alert_codec.severity_message(severity),
        confidence=confidence,
        reasoning=f"Judged {severity}: so says {rule}.",
        recommendations=["Look at the dashboard."],
        source="rules",
        rules=[rule],
    )


def _parsed(rules_yaml: bytes) -> dict[str, Severity]:
    try:
        content = yaml.safe_load(rules_yaml)
    except yaml.YAMLError as error:
        raise InvalidArgumentError(f"the rules are not YAML: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("severities"), dict):
        raise InvalidArgumentError("severities: must be a mapping")
    found = {}
    for name, severity in content["severities"].items():
        if severity not in set(Severity):
            raise InvalidArgumentError(f"severities.{name}: must be one of {', '.join(Severity)}")
        found[name] = Severity(severity)
    return found


def _now() -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC))
    return stamp
