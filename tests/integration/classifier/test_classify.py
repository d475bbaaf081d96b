"""Verdicts and the mode over real gRPC, on both stores, and with the database away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_classifier.app import SCHEMA
from alerthistory_common.alerts import AlertEvent, EventKind
from alerthistory_common.database import open_database
from tests.events import event
from tests.integration.classifier.harness import running
from tests.publishers import eventually


def critical(**overrides: Any) -> AlertEvent:
    return event(labels={"alertname": "A", "severity": "critical", "namespace": "prod"}, **overrides)


async def test_a_verdict_is_given_and_kept(store: URL) -> None:
    async with running(store) as classifier:
        answer = await classifier.classify(critical())
        request = pb.GetClassificationRequest(fingerprint="00000000000000a1")
        kept = (await classifier.service.GetClassification(request)).classification
        status = await classifier.service.GetStatus(pb.GetStatusRequest())
        assert classifier.metric("verdicts_total", severity="critical", source="rules") == 1
    assert answer.verdict.severity == alert_pb2.SEVERITY_CRITICAL
    assert answer.mode == pb.ENRICHMENT_MODE_ENRICHED
    assert kept.alert_name == "A"
    assert kept.verdict.reasoning == answer.verdict.reasoning
    assert list(kept.verdict.rules) == list(answer.verdict.rules)
    assert status.classifications == 1


async def test_a_new_verdict_replaces_the_old_one(store: URL) -> None:
    async with running(store) as classifier:
        await classifier.classify(critical())
        await classifier.classify(event(labels={"alertname": "A", "severity": "info"}))
        request = pb.GetClassificationRequest(fingerprint="00000000000000a1")
        kept = (await classifier.service.GetClassification(request)).classification
        status = await classifier.service.GetStatus(pb.GetStatusRequest())
    assert kept.verdict.severity == alert_pb2.SEVERITY_INFO
    assert status.classifications == 1


async def test_the_verdicts_of_a_burst_are_all_kept(store: URL) -> None:
    async with running(store) as classifier:
        told = [critical(fingerprint=f"{number:016x}") for number in range(100)]
        await asyncio.gather(*(classifier.classify(each) for each in (*told, *told)))
        # A slow disk may still be at the last ones: nobody waits for it longer than a verdict may take.
        async with asyncio.timeout(20):
            while (await classifier.service.GetStatus(pb.GetStatusRequest())).classifications < 100:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", [EventKind.RESOLVED, EventKind.EXPIRED])
async def test_an_alert_that_ends_is_still_what_it_was(store: URL, kind: EventKind) -> None:
    async with running(store) as classifier:
        given = await classifier.classify(critical())
        ended = await classifier.classify(event(kind=kind))
        unknown = await classifier.classify(critical(kind=kind, fingerprint="never-fired"))
    assert ended.verdict.reasoning == given.verdict.reasoning
    assert unknown.verdict.severity == alert_pb2.SEVERITY_CRITICAL


async def test_many_are_judged_at_once_each_in_its_turn(store: URL) -> None:
    async with running(store) as classifier:
        told = [
            critical(fingerprint="ends-at-once"),
            event(fingerprint="ends-at-once", kind=EventKind.RESOLVED),
            event(fingerprint="other", labels={"alertname": "A", "severity": "info"}),
        ]
        given = [each.verdict.severity for each in (await classifier.classify_all(*told)).results]
        kept = await classifier.service.ListClassifications(pb.ListClassificationsRequest())
    assert given == [alert_pb2.SEVERITY_CRITICAL, alert_pb2.SEVERITY_CRITICAL, alert_pb2.SEVERITY_INFO]
    assert {each.fingerprint for each in kept.classifications} == {"ends-at-once", "other"}


async def test_an_alert_never_judged_is_not_found(store: URL) -> None:
    async with running(store) as classifier:
        for fingerprint, code in (("x\0", grpc.StatusCode.NOT_FOUND), ("", grpc.StatusCode.INVALID_ARGUMENT)):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await classifier.service.GetClassification(pb.GetClassificationRequest(fingerprint=fingerprint))
            assert raised.value.code() is code


async def test_an_unknown_kind_is_refused(store: URL) -> None:
    async with running(store) as classifier:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await classifier.service.ClassifyAlerts(pb.ClassifyAlertsRequest(cases=[pb.ClassifyCase()]))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_transparent_asks_for_no_verdict(store: URL) -> None:
    async with running(store, enrichment_mode="transparent") as classifier:
        answer = await classifier.classify(critical())
        assert not answer.result.HasField("verdict")
        assert answer.mode == pb.ENRICHMENT_MODE_TRANSPARENT
        assert await classifier.mode() == ("TRANSPARENT", "ENVIRONMENT")


async def test_recommendations_are_kept_for_later(store: URL) -> None:
    mode = "transparent_with_recommendations"
    async with running(store, enrichment_mode=mode) as classifier:
        answer = await classifier.classify(critical())
    assert answer.result.HasField("verdict")
    assert answer.mode == pb.ENRICHMENT_MODE_TRANSPARENT_WITH_RECOMMENDATIONS


async def test_a_mode_that_is_set_lasts_and_reaches_other_replicas(store: URL) -> None:
    async with running(store) as one, running(store, enrichment_mode="enriched") as other:
        assert await one.mode() == ("ENRICHED", "DEFAULT")
        assert await other.mode() == ("ENRICHED", "ENVIRONMENT")
        request = pb.SetModeRequest(mode=pb.ENRICHMENT_MODE_TRANSPARENT)
        assert (await one.service.SetMode(request)).source == pb.MODE_SOURCE_MEMORY
        assert await one.mode() == ("TRANSPARENT", "MEMORY")

        async def has_heard() -> bool:
            return await other.mode() == ("TRANSPARENT", "MEMORY")

        await eventually(has_heard, saying="the other replica knows", within_s=1.0)
    async with running(store, enrichment_mode="enriched") as later:
        assert await later.mode() == ("TRANSPARENT", "MEMORY")


async def test_an_unknown_mode_is_refused(store: URL) -> None:
    async with running(store) as classifier:
        for mode in (pb.ENRICHMENT_MODE_UNSPECIFIED, 99):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await classifier.service.SetMode(pb.SetModeRequest(mode=mode))  # type: ignore[arg-type]
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_verdict_is_given_while_the_store_fails(store: URL) -> None:
    async with running(store) as classifier:
        async with _locked(store):
            answer = await classifier.classify(critical())
        assert classifier.metric("store_failures_total", operation="keep_verdict") == 1
    assert answer.verdict.severity == alert_pb2.SEVERITY_CRITICAL


async def test_an_odd_fingerprint_and_name_survive_the_store(store: URL) -> None:
    async with running(store) as classifier:
        await classifier.classify(event(alert_name="n\0\\0", fingerprint="f\0" * 3000))
        request = pb.GetClassificationRequest(fingerprint="f\0" * 3000)
        kept = (await classifier.service.GetClassification(request)).classification
    assert (kept.alert_name, kept.fingerprint) == ("n\0\\0", "f\0" * 3000)


@asynccontextmanager
async def _locked(store: URL) -> AsyncIterator[None]:
    """Keep others from writing verdicts for the while."""
    is_locked, release = asyncio.Event(), asyncio.Event()

    async def hold(connection: AsyncConnection) -> None:
        if store.get_backend_name() == "postgresql":
            await connection.execute(text("LOCK TABLE classifications IN EXCLUSIVE MODE"))
        is_locked.set()
        await release.wait()

    async with open_database(store, schema=SCHEMA) as database, asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(hold))
        await is_locked.wait()
        yield
        release.set()
