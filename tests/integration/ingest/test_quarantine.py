"""The quarantine can be looked at and replayed."""

import grpc
import pytest

from alerthistory.history.v1.quarantine_pb2 import QuarantinedPayload
from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from tests.integration.ingest.harness import TIMEOUT_S, House, alert, open_house, webhook


async def _replay(house: House, *quarantine_ids: int) -> list[pb.ReplayResult]:
    request = pb.ReplayQuarantineRequest(quarantine_ids=quarantine_ids)
    return list((await house.stub.ReplayQuarantine(request, timeout=TIMEOUT_S)).results)


async def test_listing_goes_page_by_page_newest_first_without_bodies() -> None:
    async with open_house() as house:
        for n in range(5):
            await house.ingest(b"{" * (n + 1))
        seen: list[QuarantinedPayload] = []
        token = ""
        while True:
            page = await house.stub.ListQuarantine(pb.ListQuarantineRequest(page_size=2, page_token=token))
            seen += page.payloads
            if not (token := page.next_page_token):
                break
        assert [row.body_size for row in seen] == [5, 4, 3, 2, 1]
        assert {row.body for row in seen} == {b""}
        assert all(row.errors[0].message for row in seen)


async def test_what_is_accepted_in_full_leaves_the_quarantine() -> None:
    async with open_house() as house:
        house.history.refuse_names = frozenset({"B"})
        await house.ingest(webhook([alert("A"), alert("B")], externalURL="http://am"))
        (row,) = house.history.quarantine.values()
        house.history.refuse_names = frozenset()
        (replayed,) = await _replay(house, row.quarantine_id)
        assert [accepted.alert_name for accepted in replayed.result.accepted] == ["A", "B"]
        assert house.history.quarantine == {}
        assert {report.sender for report in house.history.reports} == {"alertmanager http://am"}
        (again,) = await _replay(house, row.quarantine_id)
        assert not again.HasField("result")


async def test_what_is_still_broken_stays_as_it_is() -> None:
    async with open_house() as house:
        await house.ingest(webhook([alert("A"), 7]), b"nonsense")
        partial, rejected = house.history.quarantine.values()
        results = await _replay(house, partial.quarantine_id, 999, rejected.quarantine_id)
        assert [result.quarantine_id for result in results] == [partial.quarantine_id, 999, rejected.quarantine_id]
        assert [result.HasField("result") for result in results] == [True, False, True]
        assert (results[0].result.refused_count, len(results[0].result.accepted)) == (1, 1)
        assert results[2].result.rejection == "Expecting value: line 1 column 1 (char 0)"
        assert {row.times_received for row in house.history.quarantine.values()} == {1}
        assert len(house.history.quarantine) == 2


async def test_a_body_that_was_not_kept_cannot_be_replayed_and_that_is_said() -> None:
    async with open_house(max_quarantined_bytes=3) as house:
        await house.ingest(b"nonsense")
        (row,) = house.history.quarantine.values()
        (replayed,) = await _replay(house, row.quarantine_id)
        assert "8 bytes" in replayed.result.rejection
        assert len(house.history.quarantine) == 1


async def test_a_prometheus_payload_keeps_its_sender_when_replayed() -> None:
    async with open_house() as house:
        house.history.refuse_names = frozenset({"Up"})
        await house.ingest([{"labels": {"alertname": "Up"}}], format=pb.PAYLOAD_FORMAT_PROMETHEUS)
        (row,) = house.history.quarantine.values()
        house.history.refuse_names = frozenset()
        await _replay(house, row.quarantine_id)
        assert [report.sender for report in house.history.reports] == ["prometheus peer"]


async def test_a_row_of_an_unknown_format_stays() -> None:
    async with open_house() as house:
        await house.ingest(b"nonsense")
        (row,) = house.history.quarantine.values()
        row.format = "carrier-pigeon"
        (replayed,) = await _replay(house, row.quarantine_id)
        assert "carrier-pigeon" in replayed.result.rejection
        assert len(house.history.quarantine) == 1


async def test_at_most_a_thousand_rows_are_replayed_at_a_time() -> None:
    async with open_house() as house:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _replay(house, *range(1001))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
