"""What is answered is durable; what is broken is kept; one bad payload does not touch the others."""

import asyncio
import time

import grpc
import pytest

from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from tests.integration.ingest.harness import TIMEOUT_S, alert, open_house, payload, until, webhook


async def test_accepted_alerts_are_stored_before_the_answer() -> None:
    async with open_house() as house:
        response = await house.ingest(webhook([alert("A"), alert("B", is_firing=False)], externalURL="http://am"))
        (result,) = response.results
        assert [(a.alert_name, a.is_firing) for a in result.accepted] == [("A", True), ("B", False)]
        assert [a.decision for a in result.accepted] == ["fired", "repeated"]
        assert [(r.alert_name, r.sender) for r in house.history.reports] == [
            ("A", "alertmanager http://am"),
            ("B", "alertmanager http://am"),
        ]


async def test_each_payload_has_its_own_result_and_all_go_in_one_call() -> None:
    async with open_house() as house:
        bodies = [webhook([alert("A")]), b"{", webhook([alert("B"), 7, alert("C")]), []]
        response = await house.ingest(*bodies)
        assert [result.rejection for result in response.results] == [
            "",
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            "",
            "'list' object has no attribute 'get'",
        ]
        assert [len(result.accepted) for result in response.results] == [1, 0, 2, 0]
        assert [result.refused_count for result in response.results] == [0, 0, 1, 0]
        assert [(e.index, e.message) for e in response.results[2].errors] == [
            (1, "an alert must be an object, not a number")
        ]
        assert len(house.history.record_calls) == 1
        assert [report.alert_name for report in house.history.reports] == ["A", "B", "C"]


async def test_broken_payloads_are_kept_with_their_bytes_and_reasons() -> None:
    async with open_house() as house:
        await house.ingest(b"{\xff", webhook([7, alert("A")]))
        rejected, partial = house.history.quarantine.values()
        assert (rejected.body, rejected.body_size, rejected.format) == (b"{\xff", 2, "alertmanager")
        assert [error.index for error in rejected.errors] == [-1]
        assert (rejected.sender, rejected.error_count) == ("peer", 1)
        assert [error.index for error in partial.errors] == [0]


async def test_bodies_too_large_to_keep_leave_a_row_without_a_body() -> None:
    async with open_house(max_quarantined_bytes=10) as house:
        await house.ingest(b"{" + b" " * 99)
        (row,) = house.history.quarantine.values()
        assert (row.body, row.body_size) == (b"", 100)


async def test_what_history_refuses_is_refused_and_kept() -> None:
    async with open_house() as house:
        house.history.refuse_names = frozenset({"B"})
        (result,) = (await house.ingest(webhook([alert("A"), 7, alert("B"), alert("C")]))).results
        assert [accepted.alert_name for accepted in result.accepted] == ["A", "C"]
        assert result.refused_count == 2
        assert [(e.index, e.message) for e in result.errors] == [
            (1, "an alert must be an object, not a number"),
            (2, "the store cannot hold it"),
        ]
        (row,) = house.history.quarantine.values()
        assert [error.index for error in row.errors] == [1, 2]


async def test_concurrent_calls_share_calls_to_history() -> None:
    async with open_house(record_batches=1) as house:
        house.history.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(house.ingest(webhook([alert(f"A{n}")]))) for n in range(50)]
            await until(lambda: house.metric('alerthistory_ingest_stage_duration_seconds_count{stage="read"}') == 50)
            house.history.gate.set()
        assert [call.result().results[0].accepted[0].alert_name for call in calls] == [f"A{n}" for n in range(50)]
        assert len(house.history.record_calls) == 2
        assert len(house.history.reports) == 50


async def test_ten_thousand_alerts_of_one_payload_are_stored_in_order_over_several_calls() -> None:
    async with open_house(webhook="store") as house:
        body = webhook(alert(f"A{n}") for n in range(10_000))
        (result,) = (await house.ingest(body)).results
        assert [accepted.alert_name for accepted in result.accepted] == [f"A{n}" for n in range(10_000)]
        assert [report.alert_name for report in house.history.reports] == [f"A{n}" for n in range(10_000)]
        assert max(len(call.reports) for call in house.history.record_calls) <= 5_000


async def test_large_alerts_do_not_make_calls_too_large() -> None:
    async with open_house(webhook="store") as house:
        big = [alert(f"A{n}", annotations={"x": "y" * 2_000_000}) for n in range(12)]
        (result,) = (await house.ingest(webhook(big))).results
        assert len(result.accepted) == 12
        assert max(call.ByteSize() for call in house.history.record_calls) < 40_000_000


async def test_store_only_makes_no_work() -> None:
    async with open_house(webhook="store") as house:
        await house.ingest(webhook([alert("A")]))
        (call,) = house.history.record_calls
        assert (call.store_only, call.lease_owner, call.lease_capacity) == (True, "", 0)
        assert house.classifier.events == []


async def test_the_time_of_receipt_is_the_callers_when_it_names_one() -> None:
    async with open_house() as house:
        message = payload(webhook([alert("A", startsAt=None)]))
        message.received_at.FromJsonString("2024-05-06T07:08:09.123456789Z")
        await house.stub.IngestWebhook(pb.IngestWebhookRequest(payloads=[message]), timeout=TIMEOUT_S)
        (report,) = house.history.reports
        assert report.received_at == report.starts_at == message.received_at


async def test_a_time_of_receipt_in_the_future_is_now() -> None:
    async with open_house() as house:
        message = payload(webhook([alert("A")]))
        message.received_at.FromJsonString("9999-01-01T00:00:00Z")
        await house.stub.IngestWebhook(pb.IngestWebhookRequest(payloads=[message]), timeout=TIMEOUT_S)
        (report,) = house.history.reports
        assert abs(report.received_at.seconds - time.time()) < 60


async def test_prometheus_alerts_are_leased() -> None:
    async with open_house() as house:
        await house.ingest([{"labels": {"alertname": "Up"}}], format=pb.PAYLOAD_FORMAT_PROMETHEUS)
        (report,) = house.history.reports
        assert (report.sender, report.is_firing) == ("prometheus peer", True)
        assert report.lease_expires_at.seconds == report.received_at.seconds + 300


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (pb.IngestWebhookRequest(payloads=[pb.Payload(body=b"{}")]), "payloads[0].format"),
        (pb.IngestWebhookRequest(payloads=[payload({}, format=99)]), "payloads[0].format"),
        (pb.IngestWebhookRequest(payloads=[payload({})] * 1001), "payloads"),
        (
            pb.IngestWebhookRequest(payloads=[payload({}), payload({}, received_at={"seconds": -(10**12)})]),
            "payloads[1].received_at",
        ),
    ],
)
async def test_requests_that_make_no_sense_are_refused(request_message: pb.IngestWebhookRequest, field: str) -> None:
    async with open_house() as house:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await house.stub.IngestWebhook(request_message, timeout=TIMEOUT_S)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert field.encode() in dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
        assert house.history.record_calls == []


async def test_no_payloads_and_empty_payloads_need_no_call() -> None:
    async with open_house() as house:
        assert len((await house.ingest()).results) == 0
        assert len((await house.ingest(webhook([]), {})).results) == 2
        assert house.history.record_calls == []
