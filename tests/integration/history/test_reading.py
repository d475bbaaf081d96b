"""ListOccurrences, GetReport, ListAlerts, GetAlert and GetStatus."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status as grpc_rpc_status

from alerthistory.alert.v1 import alert_pb2
from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory_common import alert_codec, rpc_status
from alerthistory_common.alerts import Instant, Severity
from alerthistory_common.errors import InvalidArgumentError, NotFoundError, PageTokenMismatchError
from tests.integration.history.harness import NOON, SECOND, TIMEOUT_S, History, at, firing, resolved

OLDEST_FIRST = pb.TIE_ORDER_OLDEST_FIRST


async def _names(history: History, **fields: Any) -> list[str]:
    return [occurrence.fingerprint for occurrence in await history.occurrences(**fields)]


async def _pages(history: History, size: int, **fields: Any) -> list[alert_pb2.Occurrence]:
    found: list[alert_pb2.Occurrence] = []
    token = ""
    while True:
        request = pb.ListOccurrencesRequest(page_size=size, page_token=token, **fields)
        answer = await history.stub.ListOccurrences(request, timeout=TIMEOUT_S)
        found += answer.occurrences
        token = answer.next_page_token
        if not token:
            return found


async def test_the_latest_start_comes_first_and_ties_as_asked(history: History) -> None:
    await history.record(firing("b"), firing("z", 5), firing("a"), firing("c", -5))

    assert await _names(history) == ["z", "a", "b", "c"]
    assert await _names(history, tie_order=OLDEST_FIRST) == ["z", "b", "a", "c"]


async def test_a_repeated_report_moves_within_its_ties_only(history: History) -> None:
    await history.record(firing("b"), firing("a"), firing("z", 5))
    await history.record(firing("b"))

    assert await _names(history) == ["z", "b", "a"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["c", "b", "a"]),
        ({"alert_name": "X"}, ["b", "a"]),
        ({"alert_name": "x"}, []),
        ({"status": "firing"}, ["c", "a"]),
        ({"status": "resolved"}, ["b"]),
        ({"status": "Firing"}, []),
        ({"status": "unknown"}, []),
        ({"fingerprint": "a"}, ["a"]),
        ({"fingerprint": "a", "alert_name": "Y"}, []),
        ({"alert_name": "X", "status": "firing"}, ["a"]),
    ],
)
async def test_filters_are_exact(history: History, wanted: dict[str, str], found: list[str]) -> None:
    await history.record(
        firing("a", alert_name="X"), resolved("b", 1, 2, 3, alert_name="X"), firing("c", 2, alert_name="Y")
    )

    assert await _names(history, filter=wanted) == found


# The stored text of 2025-01-01T00:00:00 ends in +00:00, and + sorts before . and Z.
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"starts_at_text_from": "2025-01-01T00:00:00+00:00"}, ["fraction", "whole"]),
        ({"starts_at_text_from": "2025-01-01T00:00:00Z"}, []),
        ({"starts_at_text_from": "2025-01-01T00:00:00.0"}, ["fraction"]),
        ({"starts_at_text_from": "2025-01-01T00:00:00"}, ["fraction", "whole"]),
        ({"starts_at_text_to": "2025-01-01T00:00:00+00:00"}, ["whole", "year-1"]),
        ({"starts_at_text_to": "2025-01-01T00:00:00Z"}, ["fraction", "whole", "year-1"]),
        ({"starts_at_text_to": "2025-01-01T00:00:00"}, ["year-1"]),
        ({"starts_at_text_to": "2025"}, ["year-1"]),
        ({"starts_at_text_from": "zzz"}, []),
        ({"starts_at_text_from": "\0"}, ["fraction", "whole", "year-1"]),
        ({"starts_at_text_to": "zzz"}, ["fraction", "whole", "year-1"]),
        ({"starts_at_text_to": "!"}, []),
        ({"starts_at_text_from": "2025-01-01", "starts_at_text_to": "2024"}, []),
    ],
)
async def test_start_times_are_compared_as_texts(history: History, wanted: dict[str, str], found: list[str]) -> None:
    second = 1_735_689_600 * SECOND
    await history.record(
        firing("whole", starts_at=Instant(second)),
        firing("fraction", starts_at=Instant(second + 1)),
        firing("year-1", starts_at=Instant(-62_135_596_800 * SECOND)),
    )

    assert await _names(history, filter=wanted) == found


@pytest.mark.parametrize("order", [pb.TIE_ORDER_NEWEST_FIRST, OLDEST_FIRST])
async def test_pages_neither_skip_nor_repeat(history: History, order: pb.TieOrder.ValueType) -> None:
    await history.record(*(firing(f"fp-{number}", start_s=number // 7) for number in range(50)))

    assert await _pages(history, 3, tie_order=order) == await history.occurrences(tie_order=order)


async def test_pages_neither_skip_nor_repeat_under_concurrent_inserts(history: History) -> None:
    await history.record(*(firing(f"old-{number}", start_s=number // 10) for number in range(200)))
    is_read = asyncio.Event()

    async def insert() -> None:
        number = 0
        while not is_read.is_set():
            await history.record(*(firing(f"new-{number}-{each}", start_s=(number + each) % 25) for each in range(4)))
            number += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(insert())
        for _ in range(3):
            names = [occurrence.fingerprint for occurrence in await _pages(history, 17)]
            assert len(names) == len(set(names))
            assert {name for name in names if name.startswith("old")} == {f"old-{number}" for number in range(200)}
        is_read.set()


async def test_a_page_token_fits_its_question_only(history: History) -> None:
    await history.record(firing("a"), firing("b"))
    answer = await history.stub.ListOccurrences(pb.ListOccurrencesRequest(page_size=1), timeout=TIMEOUT_S)

    for token, wanted in ((answer.next_page_token, {"alert_name": "X"}), ("nonsense", {})):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await history.occurrences(page_token=token, filter=wanted)
        assert isinstance(rpc_status.from_rpc_error(refused.value), PageTokenMismatchError)


async def _report(history: History, **fields: Any) -> list[tuple[str, int, int, int]]:
    answer = await history.stub.GetReport(pb.GetReportRequest(**fields), timeout=TIMEOUT_S)
    assert answer.total == sum(row.count for row in answer.rows)
    return [(row.key, row.count, row.firing, row.resolved) for row in answer.rows]


async def test_reports_count_in_order_of_first_occurrence(history: History) -> None:
    await history.record(firing("a", alert_name="X"), resolved("b", 1, alert_name="Y"), firing("c", 2, alert_name="X"))

    assert await _report(history, group_by="alertname") == [("X", 2, 2, 0), ("Y", 1, 0, 1)]
    assert await _report(history, group_by="status") == [("firing", 2, 2, 0), ("resolved", 1, 0, 1)]
    assert await _report(history, group_by="Whatever") == [("all", 3, 2, 1)]
    assert await _report(history, group_by="alertname", max_count=1) == [("X", 1, 1, 0)]
    assert await _report(history, group_by="all", starts_at_text_from="2999") == []


@pytest.mark.parametrize(
    ("labels", "key"),
    [
        (b'{"namespace":5}', "5"),
        (b'{"namespace":true}', "true"),
        (b'{"namespace":1.5}', "1.5"),
        (b'{"namespace":""}', "unknown"),
        (b'{"namespace":null}', "unknown"),
        (b"{}", "unknown"),
        (b"[1]", "unknown"),
        (b"no JSON", "unknown"),
    ],
)
async def test_namespaces_that_are_no_texts_are_keys_too(history: History, labels: bytes, key: str) -> None:
    await history.record(
        firing(labels_json=labels), firing("b", 1, namespace="prod", labels_json=b'{"namespace":"prod"}')
    )

    assert [row[0] for row in await _report(history, group_by="namespace")] == ["prod", key]


async def _alerts(history: History, **fields: Any) -> list[str]:
    answer = await history.stub.ListAlerts(pb.ListAlertsRequest(**fields), timeout=TIMEOUT_S)
    return [alert.fingerprint for alert in answer.alerts]


async def test_alerts_are_listed_last_changed_first_and_filtered(history: History) -> None:
    await history.record(firing("a", received_s=1, alert_name="X", severity_label="critical"))
    history.clock.advance(1)
    await history.record(resolved("c", received_s=2, severity_label="critical"))
    history.clock.advance(1)
    await history.record(firing("b", received_s=3, namespace="prod", severity_label="warning"))
    # Seen last, but it tells nothing new.
    await history.record(firing("a", received_s=4, alert_name="X", severity_label="critical"))
    (work,) = [work for work in await history.lease() if work.event.fingerprint == "b"]
    await history.complete(work, severity=Severity.CRITICAL)

    assert await _alerts(history) == ["b", "c", "a"]
    assert await _alerts(history, filter={"alert_name": "X"}) == ["a"]
    assert await _alerts(history, filter={"namespace": "prod"}) == ["b"]
    assert await _alerts(history, filter={"is_firing": True}) == ["b", "a"]
    assert await _alerts(history, filter={"is_firing": False}) == ["c"]
    assert await _alerts(history, filter={"severity": alert_pb2.SEVERITY_CRITICAL}) == ["b", "c", "a"]
    assert await _alerts(history, filter={"severity": alert_pb2.SEVERITY_WARNING}) == []


async def test_alerts_come_in_pages(history: History) -> None:
    await history.record(*(firing(f"fp-{number}", received_s=number // 3) for number in range(20)))
    found: list[str] = []
    token = "-"
    while token:
        request = pb.ListAlertsRequest(page_size=3, page_token=token.strip("-"))
        answer = await history.stub.ListAlerts(request, timeout=TIMEOUT_S)
        found += [alert.fingerprint for alert in answer.alerts]
        token = answer.next_page_token

    assert found == await _alerts(history)
    assert len(set(found)) == 20


async def test_an_alert_never_seen_is_not_found(history: History) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await history.alert("nobody")

    assert isinstance(rpc_status.from_rpc_error(missing.value), NotFoundError)


async def test_an_alert_shows_the_start_of_its_open_episode(history: History) -> None:
    await history.record(firing(), firing(start_s=-7))

    assert alert_codec.instant((await history.alert("a")).starts_at) == at(-7)


async def test_figures_are_those_of_the_store(history: History) -> None:
    await history.record(firing("a"), firing("b"), resolved("c"))
    history.clock.advance(2)

    status = await history.status()

    figures = (status.occurrences, status.alerts, status.firing_alerts, status.events, status.pending_work)
    assert figures == (3, 3, 2, 2, 2)
    assert status.oldest_pending_age.ToTimedelta().total_seconds() == 2
    assert status.database_size_bytes > 10_000
    assert status.database_type in {"sqlite", "postgresql"}
    assert alert_codec.instant(status.started_at) == Instant(NOON)


async def test_an_idle_queue_has_no_age(history: History) -> None:
    assert not (await history.status()).HasField("oldest_pending_age")


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("RecordAlerts", pb.RecordAlertsRequest(reports=[alert_pb2.Report()] * 20_001), "reports"),
        ("RecordAlerts", pb.RecordAlertsRequest(lease_capacity=-1), "lease_capacity"),
        ("LeaseWork", pb.LeaseWorkRequest(), "lease_owner"),
        ("LeaseWork", pb.LeaseWorkRequest(lease_owner="a", max_count=1001), "max_count"),
        ("LeaseWork", pb.LeaseWorkRequest(lease_owner="a", max_count=-1), "max_count"),
        ("CompleteWork", pb.CompleteWorkRequest(), "lease_owner"),
        ("ReleaseWork", pb.ReleaseWorkRequest(delay=Duration(seconds=-1)), "delay"),
        ("GetAlert", pb.GetAlertRequest(), "fingerprint"),
        ("ListAlerts", pb.ListAlertsRequest(page_size=-1), "page_size"),
        ("ListOccurrences", pb.ListOccurrencesRequest(page_size=-1), "page_size"),
        ("ListEvents", pb.ListEventsRequest(page_size=-1), "page_size"),
        ("ListQuarantine", pb.ListQuarantineRequest(page_size=-1), "page_size"),
        ("GetReport", pb.GetReportRequest(max_count=-1), "max_count"),
    ],
)
async def test_a_wrong_request_names_the_field(history: History, method: str, request_: object, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(history.stub, method)(request_, timeout=TIMEOUT_S)

    assert isinstance(rpc_status.from_rpc_error(refused.value), InvalidArgumentError)
    status = grpc_rpc_status.from_call(refused.value)
    assert status is not None
    details = error_details_pb2.BadRequest()
    assert any(detail.Unpack(details) for detail in status.details)
    assert [violation["field"] for violation in MessageToDict(details)["fieldViolations"]] == [field]


async def test_long_alerts_come_in_shorter_pages(history: History) -> None:
    labels = b'{"x":"' + b"x" * 9_000_000 + b'"}'
    for number in range(8):
        await history.record(firing(f"fp-{number}", labels_json=labels))

    first = await history.occurrences()
    assert 1 <= len(first) < 8
    assert len(await _pages(history, 100)) == 8
    assert 1 <= len(await history.lease()) < 8
    events = await history.stub.ListEvents(pb.ListEventsRequest(page_size=1000), timeout=TIMEOUT_S)
    assert 1 <= len(events.events) < 8
