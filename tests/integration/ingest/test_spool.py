"""What ingest does while history is away: it keeps payloads on disk, and hands them over in order afterwards."""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from alerthistory_common.alert_codec import timestamp
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock
from tests.integration.ingest.harness import TIMEOUT_S, House, alert, open_house, payload, until, webhook


async def _spool(house: House) -> pb.Spool:
    return (await house.stub.GetStatus(pb.GetStatusRequest(), timeout=TIMEOUT_S)).spool


async def _until_replayed(house: House) -> None:
    await until(lambda: house.metric("alerthistory_ingest_spool_payloads") == 0, within_s=20)


async def test_what_history_cannot_take_is_kept_and_told_as_accepted() -> None:
    async with open_house() as house:
        house.history.is_down = True
        (result,) = (await house.ingest(webhook([alert("A"), 7]))).results
        assert [(each.alert_name, each.is_firing, each.decision) for each in result.accepted] == [
            ("A", True, "spooled")
        ]
        assert (result.refused_count, result.rejection) == (1, "")
        kept = await _spool(house)
        assert (kept.payloads, kept.problem) == (1, "")
        assert kept.size_bytes > 0

        house.history.is_down = False
        await _until_replayed(house)
        assert [report.alert_name for report in house.history.reports] == ["A"]
        assert len(house.history.quarantine) == 1
        await until(lambda: len(house.publisher.published) == 1)


async def test_payloads_are_replayed_in_order_with_the_time_at_which_they_came() -> None:
    async with open_house() as house:
        house.history.is_down = True
        before = SystemClock().now()
        for number in range(300):
            await house.ingest(webhook([alert(f"A{number}")]))
        after = SystemClock().now()
        house.history.is_down = False
        await _until_replayed(house)

    assert [report.alert_name for report in house.history.reports] == [f"A{number}" for number in range(300)]
    received = [report.received_at.ToMicroseconds() for report in house.history.reports]
    assert received == sorted(received)
    assert before.micros <= received[0] <= received[-1] <= after.micros


async def test_nobody_waits_for_a_history_that_hangs_but_the_first() -> None:
    async with open_house(record_limit_s=0.3, history_timeout_s=0.5) as house:
        house.history.gate.clear()
        await house.ingest(webhook([alert("first")]))
        began = asyncio.get_running_loop().time()
        for number in range(20):
            await house.ingest(webhook([alert(f"A{number}")]))
        assert asyncio.get_running_loop().time() - began < 20 * 0.3
        house.history.gate.set()
        await _until_replayed(house)
        assert {report.alert_name for report in house.history.reports} == {"first", *(f"A{n}" for n in range(20))}


async def test_a_history_that_is_slow_takes_what_is_replayed() -> None:
    async with open_house(record_limit_s=0.2, history_timeout_s=0.2) as house:
        house.history.gate.clear()
        await house.ingest(webhook([alert("A")]))
        calls = len(house.history.record_calls)
        await until(lambda: len(house.history.record_calls) > calls)
        await asyncio.sleep(0.5)  # Longer than a webhook would wait.
        house.history.gate.set()
        await _until_replayed(house)
        assert house.metric('alerthistory_ingest_spooled_payloads_total{outcome="replayed"}') == 1
        assert len(house.history.record_calls) == calls + 1


async def test_nothing_overtakes_what_is_spooled() -> None:
    async with open_house(record_limit_s=4) as house:
        house.history.is_down = True
        await house.ingest(webhook([alert("first")]))
        house.history.record_s = 0.5
        house.history.is_down = False
        calls = len(house.history.record_calls)
        await until(lambda: len(house.history.record_calls) > calls)
        await house.ingest(webhook([alert("second")]))
        await until(lambda: house.metric('alerthistory_ingest_spooled_payloads_total{outcome="replayed"}') == 1)
        (third,) = (await house.ingest(webhook([alert("third")]))).results
        assert third.accepted[0].decision == "spooled", "the second one is still there"
        await _until_replayed(house)
        assert [report.alert_name for report in house.history.reports] == ["first", "second", "third"]
        await asyncio.sleep(0.3)  # Until the spool was seen to be empty.
        (fourth,) = (await house.ingest(webhook([alert("fourth")]))).results
        assert fourth.accepted[0].decision != "spooled"


async def test_a_webhook_that_has_waited_before_waits_the_less_for_history() -> None:
    async with open_house(record_limit_s=5) as house:
        house.history.gate.clear()
        began = SystemClock().now()
        await house.ingest(webhook([alert("A")]), received_at=timestamp(Instant(began.micros - 4_000_000)))
        assert 0.9 < (SystemClock().now().micros - began.micros) / 1_000_000 < 3
        house.history.gate.set()
        await _until_replayed(house)


async def test_what_is_spooled_outlives_the_process() -> None:
    async with open_house() as house:
        house.history.is_down = True
        await house.ingest(webhook([alert("A")]), traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        async with house.ingest_again():
            house.history.is_down = False
            await _until_replayed(house)
            assert [report.alert_name for report in house.history.reports] == ["A"]
            assert "0af7651916cd43dd8448eb211c80319c" in house.history.reports[0].traceparent


async def test_a_full_spool_answers_unavailable_and_keeps_what_it_has() -> None:
    async with open_house(spool_max_bytes=2000) as house:
        house.history.is_down = True
        accepted: list[str] = []

        async def fill() -> None:
            for number in range(100):
                await house.ingest(webhook([alert(f"A{number}")]))
                accepted.append(f"A{number}")

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await fill()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "the spool takes nothing: it holds" in str(caught.value.details())
        assert "may hold" in (await _spool(house)).problem
        assert house.metric("alerthistory_ingest_spool_up") == 0

        house.history.is_down = False
        await _until_replayed(house)
        assert [report.alert_name for report in house.history.reports] == accepted
        house.history.is_down = True
        assert (await house.ingest(webhook([alert("later")]))).results[0].accepted


async def test_a_spool_whose_oldest_payload_waits_for_too_long_takes_no_more() -> None:
    async with open_house(spool_max_age_s=60) as house:
        house.history.is_down = True
        await house.ingest(webhook([alert("A")]), received_at=datetime.now(UTC) - timedelta(minutes=2))
        with pytest.raises(grpc.aio.AioRpcError, match="its oldest payload waits since"):
            await house.ingest(webhook([alert("B")]))


async def test_without_a_spool_nothing_is_answered_while_history_is_away() -> None:
    async with open_house(spool_max_bytes=0) as house:
        house.history.is_down = True
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await house.ingest(webhook([alert("A")]))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        house.history.is_down = False
        assert (await house.ingest(webhook([alert("A")]))).results[0].accepted[0].decision != "spooled"


async def test_payloads_whose_result_is_awaited_are_kept_too() -> None:
    async with open_house(webhook="store") as house:
        house.history.is_down = True
        request = pb.ProcessAlertsRequest(payload=payload(webhook([alert("A")])))
        answer = await house.stub.ProcessAlerts(request, timeout=TIMEOUT_S)
        assert [each.decision for each in answer.result.accepted] == ["spooled"]
        assert not answer.alerts[0].is_processed

        house.history.is_down = False
        await _until_replayed(house)
        # Only webhooks are merely stored here.
        assert {call.store_only for call in house.history.record_calls} == {False}
        await until(lambda: len(house.publisher.published) == 1)
