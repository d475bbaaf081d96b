"""Stored verdicts, several at once and newest first."""

import grpc
import pytest
from sqlalchemy import URL

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from tests.events import event
from tests.integration.classifier.harness import Classifier, running


async def _judge(classifier: Classifier, *fingerprints: str, severity: str = "critical") -> None:
    for fingerprint in fingerprints:
        labels = {"alertname": fingerprint, "severity": severity}
        await classifier.classify(event(fingerprint=fingerprint, alert_name=fingerprint, labels=labels))


async def _page(classifier: Classifier, **wanted: object) -> pb.ListClassificationsResponse:
    return await classifier.service.ListClassifications(pb.ListClassificationsRequest(**wanted), timeout=10)  # type: ignore[arg-type]


async def test_several_verdicts_are_returned_at_once_and_missing_ones_left_out(store: URL) -> None:
    async with running(store) as classifier:
        await _judge(classifier, "a", "b", "c")
        request = pb.BatchGetClassificationsRequest(fingerprints=["c", "nobody", "a", "a"])
        found = (await classifier.service.BatchGetClassifications(request, timeout=10)).classifications
    assert sorted(each.fingerprint for each in found) == ["a", "c"]
    assert all(each.verdict.reasoning for each in found)


async def test_too_many_at_once_are_refused(store: URL) -> None:
    async with running(store) as classifier:
        request = pb.BatchGetClassificationsRequest(fingerprints=["a"] * 1001)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await classifier.service.BatchGetClassifications(request, timeout=10)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_verdicts_are_listed_newest_first_page_by_page(store: URL) -> None:
    async with running(store) as classifier:
        await _judge(classifier, "a", "b", "c", "d", "e")
        await _judge(classifier, "b")
        found, token = [], ""
        while True:
            answer = await _page(classifier, page_size=2, page_token=token)
            found += [each.fingerprint for each in answer.classifications]
            token = answer.next_page_token
            if not token:
                break
    assert found == ["b", "e", "d", "c", "a"]


async def test_only_verdicts_of_the_confidence_asked_for_are_listed(store: URL) -> None:
    async with running(store) as classifier:
        await _judge(classifier, "sure")
        (sure,) = (await _page(classifier)).classifications
        assert len((await _page(classifier, min_confidence=sure.verdict.confidence)).classifications) == 1
        assert not (await _page(classifier, min_confidence=sure.verdict.confidence + 0.001)).classifications


async def test_the_status_counts_what_was_judged(store: URL) -> None:
    async with running(store) as classifier:
        await _judge(classifier, "a", "b")
        await classifier.service.SetMode(pb.SetModeRequest(mode=pb.ENRICHMENT_MODE_TRANSPARENT), timeout=10)
        await _judge(classifier, "c")
        status = await classifier.service.GetStatus(pb.GetStatusRequest(), timeout=10)
    assert sum(each.count for each in status.verdicts) == 2
    assert {each.source for each in status.verdicts} == {"rules"}
    assert status.transparent_events == 1
    assert not status.model
