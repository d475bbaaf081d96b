"""ProcessAlerts: stored as ever, and the caller learns what came of it, in time or not at all."""

from typing import Any

import grpc
import pytest

from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from tests.integration.ingest.harness import TIMEOUT_S, House, alert, open_house, payload, until, webhook


async def _process(
    house: House, *alerts: object, timeout_s: float = TIMEOUT_S, **fields: Any
) -> pb.ProcessAlertsResponse:
    request = pb.ProcessAlertsRequest(payload=payload(webhook(alerts), **fields))
    return await house.stub.ProcessAlerts(request, timeout=timeout_s)


async def test_what_changed_is_judged_and_published_before_the_answer() -> None:
    async with open_house() as house:
        house.publisher.targets = ["ops"]
        answer = await _process(house, alert("A"), {"labels": []}, alert("B"))
        assert [each.alert_name for each in answer.result.accepted] == ["A", "B"]
        assert answer.result.refused_count == 1
        assert [(each.index, each.fingerprint) for each in answer.alerts] == [(0, "A"), (2, "B")]
        assert all(each.is_processed and each.verdict.reasoning == "because" for each in answer.alerts)
        assert [list(each.targets) for each in answer.alerts] == [["ops"], ["ops"]]


async def test_a_repeated_alert_has_the_verdict_of_before_and_is_not_published_again() -> None:
    async with open_house() as house:
        await _process(house, alert("A"))
        (again,) = (await _process(house, alert("A"))).alerts
        assert (again.is_processed, again.verdict.reasoning) == (False, "because")
        assert len(house.publisher.published) == 1


async def test_what_takes_too_long_goes_on_in_the_background() -> None:
    async with open_house(process_timeout_s=0.3) as house:
        house.classifier.gate.clear()
        (late,) = (await _process(house, alert("A"))).alerts
        assert not late.is_processed
        assert not late.HasField("verdict")
        assert len(house.history.reports) == 1
        house.classifier.gate.set()
        await until(lambda: len(house.publisher.published) == 1)


async def test_the_callers_deadline_is_kept() -> None:
    async with open_house() as house:
        house.classifier.gate.clear()
        (late,) = (await _process(house, alert("A"), timeout_s=1.0)).alerts
        assert not late.is_processed
        house.classifier.gate.set()


async def test_webhooks_that_are_only_stored_do_not_stop_who_wants_to_know() -> None:
    async with open_house(webhook="store") as house:
        await house.ingest(webhook([alert("Stored")]))
        (processed,) = (await _process(house, alert("Processed"))).alerts
        assert processed.is_processed
        assert [each.event.alert_name for each in house.publisher.published] == ["Processed"]


async def test_a_history_that_is_away_is_unavailable_without_a_spool() -> None:
    async with open_house(spool_max_bytes=0) as house:
        house.history.is_down = True
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await _process(house, alert("A"))
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_classifier_that_is_away_costs_the_verdict_only() -> None:
    async with open_house() as house:
        house.classifier.is_down = True
        (alone,) = (await _process(house, alert("A"))).alerts
        assert alone.is_processed
        assert not alone.HasField("verdict")
        (again,) = (await _process(house, alert("A"))).alerts
        assert not again.HasField("verdict")
