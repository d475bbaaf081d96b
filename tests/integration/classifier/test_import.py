"""Verdicts of the past are kept where none that is newer is known, on both stores."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from sqlalchemy import URL

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Instant, Severity, Verdict
from tests.events import event
from tests.integration.classifier.harness import Classifier, running

MONDAY, TUESDAY = Instant(1_700_000_000_000_001), Instant(1_700_086_400_000_002)


def past(fingerprint: str = "a", reasoning: str = "so", created_at: Instant = MONDAY, **fields: Any) -> Any:
    """Return a verdict of the past."""
    verdict = Verdict(
        severity=Severity.WARNING,
        confidence=0.75,
        reasoning=reasoning,
        recommendations=("look", "tune"),
        source="openai/gpt-4o",
        processing_time=timedelta(microseconds=43_724),
    )
    values: dict[str, Any] = {
        "fingerprint": fingerprint,
        "verdict": alert_codec.verdict_message(verdict),
        "created_at": alert_codec.timestamp(created_at),
    }
    return pb.Classification(**(values | fields))


async def imported(classifier: Classifier, *classifications: pb.Classification) -> list[bool]:
    request = pb.ImportClassificationsRequest(classifications=classifications)
    return list((await classifier.service.ImportClassifications(request, timeout=10)).is_imported)


async def stored(classifier: Classifier, fingerprint: str = "a") -> pb.Classification:
    request = pb.GetClassificationRequest(fingerprint=fingerprint)
    return (await classifier.service.GetClassification(request, timeout=10)).classification


async def test_a_verdict_of_the_past_is_kept_with_all_that_was_said(store: URL) -> None:
    told = past(metadata_json='{"model": "é", "n": 1.50}'.encode(), reasoning="because \0")
    async with running(store) as classifier:
        assert await imported(classifier, told) == [True]

        assert await stored(classifier) == told


async def test_importing_again_changes_nothing(store: URL) -> None:
    async with running(store) as classifier:
        await imported(classifier, past("a"), past("b"))
        assert await imported(classifier, past("a", "other"), past("b", "other")) == [False, False]

        assert (await stored(classifier)).verdict.reasoning == "so"


async def test_only_a_later_verdict_replaces_a_known_one(store: URL) -> None:
    async with running(store) as classifier:
        await imported(classifier, past("a", "new", TUESDAY), past("b", "old", MONDAY))
        outcome = await imported(classifier, past("a", "old", MONDAY), past("b", "new", TUESDAY), past("c"))

        assert outcome == [False, True, True]
        assert [(await stored(classifier, each)).verdict.reasoning for each in "ab"] == ["new", "new"]


async def test_of_several_about_one_alert_the_latest_counts(store: URL) -> None:
    async with running(store) as classifier:
        outcome = await imported(
            classifier, past("a", "1", TUESDAY), past("a", "2", TUESDAY), past("a", "3", MONDAY), past("b")
        )

        assert outcome == [False, True, False, True]
        assert (await stored(classifier)).verdict.reasoning == "2"


async def test_a_verdict_given_here_stays_and_has_no_metadata(store: URL) -> None:
    async with running(store) as classifier:
        await classifier.classify(event(labels={"alertname": "A", "severity": "critical"}))

        assert await imported(classifier, past("00000000000000a1", metadata_json=b"{}")) == [False]
        kept = await stored(classifier, "00000000000000a1")
        assert (kept.verdict.source, kept.metadata_json) == ("rules", b"")


async def test_a_verdict_given_here_replaces_an_imported_one(store: URL) -> None:
    async with running(store) as classifier:
        await imported(classifier, past("00000000000000a1", metadata_json=b'{"model":"x"}'))
        await classifier.classify(event(labels={"alertname": "A", "severity": "critical"}))

        kept = await stored(classifier, "00000000000000a1")
        assert (kept.verdict.source, kept.metadata_json) == ("rules", b"")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (past(""), "fingerprint"),
        (past(metadata_json=b"[]"), "metadata_json"),
        (past(metadata_json=b'{"a": NaN}'), "metadata_json"),
        (past(metadata_json=b'{"a": "\\ud800"}'), "metadata_json"),
        (past(verdict=None), "verdict"),
        (past(created_at=Instant(2**61)), "created_at"),
    ],
)
async def test_a_wrong_verdict_is_an_invalid_argument_that_is_named(store: URL, wrong: Any, field: str) -> None:
    async with running(store) as classifier:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await imported(classifier, past("good"), wrong)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"classifications[1].{field}" in (caught.value.details() or "")
