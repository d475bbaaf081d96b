"""How serious alerts are, who says so and what that costs, asked by ``Client.verdicts``."""

from collections.abc import AsyncIterator, Iterator, Sequence

import grpc

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from alerthistory_client import verdict_codec
from alerthistory_client.calls import Endpoint
from alerthistory_client.paging import paged
from alerthistory_client.records import Classification, ClassifierStatus
from alerthistory_client.verdict_records import (
    Case,
    Explanation,
    ModeChange,
    Override,
    RulesComparison,
    VerdictStats,
)
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Severity

_MAX_EXPLAINED = 100
_MAX_TESTED = 1000


class VerdictClient:
    """Asks the classifier about verdicts, rules, overrides, and who changed the mode."""

    def __init__(self, channel: grpc.aio.Channel, endpoint: Endpoint) -> None:
        self._stub = ClassifierServiceStub(channel)
        self._at = endpoint

    async def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return how *cases* would be judged, and why, in their order. Stores nothing and asks no LLM."""
        found: list[Explanation] = []
        for some in _batches(cases, _MAX_EXPLAINED):
            request = pb.ExplainClassificationsRequest(cases=map(verdict_codec.case_message, some))
            response = await self._at.call(self._stub.ExplainClassifications, request)
            found += map(verdict_codec.explanation, response.explanations)
        return found

    async def refresh(self, cases: Sequence[Case]) -> list[Classification]:
        """Judge *cases*, 100 at most, anew, whatever mode and cache say; return the stored verdicts in their order.

        An LLM that is slow is waited for as long as a call may take. An override stays in force.
        """
        request = pb.RefreshClassificationsRequest(cases=map(verdict_codec.case_message, cases))
        response = await self._at.call(self._stub.RefreshClassifications, request)
        return [verdict_codec.classification(each) for each in response.classifications]

    async def test_rules(self, rules_yaml: bytes, cases: Sequence[Case] = ()) -> list[RulesComparison]:
        """Judge *cases* by the rules in *rules_yaml* and by those in force; return both, in order. Stores nothing.

        Raises InvalidArgumentError that says what is wrong with the rules, also when there are no cases.
        """
        found: list[RulesComparison] = []
        for some in _batches(cases, _MAX_TESTED):
            request = pb.TestRulesRequest(rules_yaml=rules_yaml, cases=map(verdict_codec.case_message, some))
            response = await self._at.call(self._stub.TestRules, request)
            found += map(verdict_codec.comparison, response.comparisons)
        return found

    async def get(self, fingerprint: str) -> Classification:
        """Return the stored verdict of an alert; raise NotFoundError when it has none."""
        request = pb.GetClassificationRequest(fingerprint=fingerprint)
        response = await self._at.call(self._stub.GetClassification, request)
        return verdict_codec.classification(response.classification)

    def list_stored(self, *, min_confidence: float = 0.0, limit: int | None = None) -> AsyncIterator[Classification]:
        """Iterate over the stored verdicts of at least *min_confidence*, newest first."""

        async def page(size: int, token: str) -> tuple[list[Classification], str]:
            request = pb.ListClassificationsRequest(min_confidence=min_confidence, page_size=size, page_token=token)
            response = await self._at.call(self._stub.ListClassifications, request)
            return [verdict_codec.classification(each) for each in response.classifications], response.next_page_token

        return paged(page, limit)

    async def set_override(
        self, fingerprint: str, severity: Severity, *, author: str, reason: str, alert_name: str = ""
    ) -> Override:
        """Say how serious an alert is, as a person, until the override is removed; return it as it is kept.

        Replaces an earlier override. *alert_name* is shown in lists.
        """
        request = pb.SetOverrideRequest(
            fingerprint=fingerprint,
            severity=alert_codec.severity_message(severity),
            author=author,
            reason=reason,
            alert_name=alert_name,
        )
        response = await self._at.call(self._stub.SetOverride, request)
        return verdict_codec.override(response.override)

    async def remove_override(self, fingerprint: str, *, author: str) -> None:
        """Remove an override; raise NotFoundError when there is none. The alert is judged again when it next fires."""
        request = pb.RemoveOverrideRequest(fingerprint=fingerprint, author=author)
        await self._at.call(self._stub.RemoveOverride, request)

    def list_overrides(self, *, limit: int | None = None) -> AsyncIterator[Override]:
        """Iterate over the overrides in force, newest first."""

        async def page(size: int, token: str) -> tuple[list[Override], str]:
            request = pb.ListOverridesRequest(page_size=size, page_token=token)
            response = await self._at.call(self._stub.ListOverrides, request)
            return [verdict_codec.override(each) for each in response.overrides], response.next_page_token

        return paged(page, limit)

    async def list_mode_changes(self, *, limit: int = 50) -> list[ModeChange]:
        """Return who set which mode and when, newest first; *limit* is 1000 at most."""
        response = await self._at.call(self._stub.ListModeChanges, pb.ListModeChangesRequest(page_size=limit))
        return [verdict_codec.mode_change(each) for each in response.changes]

    async def stats(self, *, days: int | None = None) -> VerdictStats:
        """Return counts of the last *days*, today (UTC) included, or of all time."""
        response = await self._at.call(self._stub.GetStats, pb.GetStatsRequest(days=days or 0))
        return verdict_codec.stats(response)

    async def status(self) -> ClassifierStatus:
        """Return the figures of the replica of the classifier that answers."""
        response = await self._at.call(self._stub.GetStatus, pb.GetStatusRequest())
        return verdict_codec.classifier_status(response)


def _batches(cases: Sequence[Case], size: int) -> Iterator[Sequence[Case]]:
    """Yield *cases* in parts of *size* at most; one empty part when there are none."""
    for start in range(0, max(1, len(cases)), size):
        yield cases[start : start + size]
