"""Alerts of the past are read like those of a webhook, and only stored."""

import json
from typing import Any

import grpc
import pytest

from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from alerthistory_common.alert_codec import timestamp
from alerthistory_common.alerts import Instant
from tests.integration.ingest.harness import TIMEOUT_S, House, alert, open_house, until

RECEIVED = timestamp(Instant(1_700_000_000_123_456))


def past(content: Any, **fields: Any) -> pb.PastAlert:
    """Return an alert of the past; *content* is written as JSON unless it is bytes."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return pb.PastAlert(**{"alert_json": body, "received_at": RECEIVED, **fields})


async def import_alerts(house: House, *alerts: pb.PastAlert) -> list[pb.ImportAlertResult]:
    """Return what becomes of *alerts*."""
    request = pb.ImportAlertsRequest(alerts=alerts, sender="import old.sqlite3")
    return list((await house.stub.ImportAlerts(request, timeout=TIMEOUT_S)).results)


async def test_alerts_of_the_past_are_read_by_the_rules_of_the_webhook() -> None:
    async with open_house() as house:
        content = alert("A", startsAt="2025-10-25T16:47:00.1234567+05:00", endsAt="0001-01-01T00:00:00Z", annotations=1)
        del content["fingerprint"]

        results = await import_alerts(house, past(content))

        (report,) = house.history.imported
        assert results == [pb.ImportAlertResult()]
        assert report.fingerprint == "953222e376c248c80ed598dcac2e884288f08c9bd0f1a9db8608e8d46f23a8e3"
        assert report.starts_at.ToJsonString() == "2025-10-25T11:47:00.123456700Z"
        assert (report.annotations_json, report.sender) == (b"1", "import old.sqlite3")
        assert report.received_at == RECEIVED


async def test_alerts_of_the_past_are_neither_judged_nor_published() -> None:
    async with open_house() as house:
        await import_alerts(house, past(alert("A")))
        await house.ingest({"alerts": [alert("B")]})
        await until(lambda: bool(house.publisher.published))

        assert [event.alert_name for event in house.classifier.events] == ["B"]
        assert [each.event.alert_name for each in house.publisher.published] == ["B"]


async def test_broken_alerts_are_refused_alone_and_not_kept_in_quarantine() -> None:
    async with open_house() as house:
        house.history.refuse_names = frozenset({"D"})
        unstamped = past(alert("C"))
        unstamped.ClearField("received_at")

        results = await import_alerts(
            house,
            past(alert("A")),
            past(b"{"),
            past(b"\xff"),
            past([1]),
            past({"labels": {"a": float("nan")}}),
            past(b'{"labels":{"a":"\\ud800"}}'),
            past(alert("B", startsAt="yesterday")),
            unstamped,
            past(alert("D")),
            past(alert("E"), received_at=timestamp(Instant(2**60))),
            past(alert("F")),
        )

        assert [report.alert_name for report in house.history.imported] == ["A", "F"]
        assert [result.refusal for result in results] == [
            "",
            "the alert is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            "the alert is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            "an alert must be an object, not a list",
            "NaN and infinite numbers cannot be stored",
            "a text holds a lone surrogate, which is no character",
            "startsAt is not a time: 'yesterday'",
            "it does not say when it was received",
            "the store cannot hold it",
            "it was received outside of the years 1 to 9999",
            "",
        ]
        assert house.history.quarantine == {}


async def test_what_history_knows_is_said_to_be_known() -> None:
    async with open_house() as house:
        await import_alerts(house, past(alert("A")))

        results = await import_alerts(house, past(alert("A")), past(alert("B")))

        assert [result.is_known for result in results] == [True, False]


async def test_large_alerts_are_handed_on_in_parts_in_order() -> None:
    async with open_house() as house:
        names = [f"A{number}" for number in range(12)]

        await import_alerts(house, *(past(alert(name, annotations={"a": "x" * 3_500_000})) for name in names))

        assert len(house.history.import_calls) > 1
        assert [report.alert_name for report in house.history.imported] == names


async def test_nothing_is_imported_while_history_is_away() -> None:
    async with open_house() as house:
        house.history.is_down = True

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await import_alerts(house, past(alert("A")))

        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_an_answer_that_does_not_fit_is_no_answer() -> None:
    async with open_house() as house:
        house.history.is_odd = True

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await import_alerts(house, past(alert("A")))

        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_more_than_1000_alerts_are_an_invalid_argument() -> None:
    async with open_house() as house:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await import_alerts(house, *(past({}) for _ in range(1001)))

        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
