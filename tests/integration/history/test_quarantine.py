"""Quarantine: the same bytes are one row, the oldest make room, and nobody loses a payload by reading."""

from typing import Any

import grpc
import pytest
from sqlalchemy import URL

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory.history.v1 import quarantine_pb2
from alerthistory_common import alert_codec, rpc_status
from alerthistory_common.errors import NotFoundError
from tests.integration.history.harness import TIMEOUT_S, History, at, firing, running


def _payload(body: bytes, received_s: float = 0, **fields: Any) -> quarantine_pb2.QuarantinedPayload:
    named: dict[str, Any] = {
        "format": "alertmanager",
        "sender": "am\0",
        "errors": [quarantine_pb2.QuarantineError(index=-1, message="no JSON\0")],
        "error_count": 1,
    }
    stamp = alert_codec.timestamp(at(received_s))
    return quarantine_pb2.QuarantinedPayload(body=body, received_at=stamp, **(named | fields))


async def _put(history: History, *payloads: quarantine_pb2.QuarantinedPayload) -> None:
    await history.stub.RecordAlerts(pb.RecordAlertsRequest(quarantine=payloads), timeout=TIMEOUT_S)


async def _list(history: History, size: int = 2) -> list[quarantine_pb2.QuarantinedPayload]:
    found: list[quarantine_pb2.QuarantinedPayload] = []
    token = "-"
    while token:
        request = pb.ListQuarantineRequest(page_size=size, page_token=token.strip("-"))
        answer = await history.stub.ListQuarantine(request, timeout=TIMEOUT_S)
        found += answer.payloads
        token = answer.next_page_token
    return found


async def test_a_payload_is_kept_byte_by_byte(history: History) -> None:
    body = bytes(range(256))
    await _put(history, _payload(body))

    (listed,) = await _list(history)
    request = pb.GetQuarantinedRequest(quarantine_id=listed.quarantine_id)
    payload = (await history.stub.GetQuarantined(request, timeout=TIMEOUT_S)).payload

    assert (listed.body, listed.body_size) == (b"", 256)
    assert payload.body == body
    payload.body = b""
    assert payload == listed
    assert (payload.sender, payload.errors[0].message, payload.times_received) == ("am\0", "no JSON\0", 1)


async def test_the_same_bytes_are_one_row_told_by_the_newest(history: History) -> None:
    await _put(history, _payload(b"x", received_s=5, sender="newest"), _payload(b"x", sender="other"))
    await _put(history, _payload(b"x", received_s=1, sender="late"))

    (payload,) = await _list(history)
    assert (payload.times_received, payload.sender) == (3, "newest")
    assert alert_codec.instant(payload.received_at) == at(5)


async def test_at_most_a_hundred_errors_are_kept_and_all_are_counted(history: History) -> None:
    errors = [quarantine_pb2.QuarantineError(index=number, message="bad") for number in range(150)]
    await _put(history, _payload(b"x", errors=errors, error_count=500))

    (payload,) = await _list(history)
    assert (len(payload.errors), payload.errors[99].index, payload.error_count) == (100, 99, 500)


async def test_payloads_are_listed_newest_first_in_pages(history: History) -> None:
    await _put(history, *(_payload(bytes([number]), received_s=number // 2) for number in range(7)))

    received = [alert_codec.instant(payload.received_at) for payload in await _list(history)]
    assert received == sorted(received, reverse=True)
    assert len(received) == 7


async def test_reports_and_payloads_are_stored_together(history: History) -> None:
    await history.record(firing(), quarantine=[_payload(b"x")])

    status = await history.status()
    assert (status.events, status.quarantined_payloads) == (1, 1)


async def test_the_oldest_make_room_by_number(migrated_url: URL) -> None:
    async with running(migrated_url, quarantine_max_rows=3) as history:
        await _put(history, *(_payload(bytes([number]), received_s=number) for number in range(5)))

        kept = [alert_codec.instant(payload.received_at) for payload in await _list(history)]
        assert kept == [at(4), at(3), at(2)]
        assert history.metric("alerthistory_history_quarantine_dropped_total") == 2


async def test_the_oldest_make_room_by_size(migrated_url: URL) -> None:
    async with running(migrated_url, quarantine_max_bytes=100) as history:
        await _put(history, *(_payload(bytes([number]) * 40, received_s=number) for number in range(4)))

        assert [payload.body_size for payload in await _list(history)] == [40, 40]


async def test_deleting_is_idempotent(history: History) -> None:
    await _put(history, _payload(b"x"), _payload(b"y"))
    ids = [payload.quarantine_id for payload in await _list(history)]
    request = pb.DeleteQuarantinedRequest(quarantine_ids=[*ids[:1], 2**62])

    counts = [(await history.stub.DeleteQuarantined(request, timeout=TIMEOUT_S)).deleted_count for _ in range(2)]

    assert counts == [1, 0]
    assert [payload.quarantine_id for payload in await _list(history)] == ids[1:]


async def test_a_payload_that_is_not_there_is_not_found(history: History) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await history.stub.GetQuarantined(pb.GetQuarantinedRequest(quarantine_id=7), timeout=TIMEOUT_S)

    assert isinstance(rpc_status.from_rpc_error(missing.value), NotFoundError)
