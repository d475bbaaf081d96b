"""GetStats, and occurrences of one namespace."""

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from alerthistory.history.v1 import history_service_pb2 as pb
from tests.integration.history.harness import NOON, SECOND, TIMEOUT_S, History, firing, resolved

HOUR = 3600


async def _stats(history: History, hours: int = 0) -> pb.GetStatsResponse:
    return await history.stub.GetStats(pb.GetStatsRequest(hours=hours), timeout=TIMEOUT_S)


def _shares(shares: object) -> dict[str, int]:
    return {share.value: share.count for share in shares}  # type: ignore[attr-defined]


async def test_totals_count_how_occurrences_were_last_reported(history: History) -> None:
    await history.record(firing("a"), firing("b"), firing("c"))
    await history.record(resolved("c"))

    stats = await _stats(history)

    assert (stats.total, stats.firing, stats.resolved, stats.received) == (3, 2, 1, 3)
    assert _shares(stats.statuses) == {"firing": 2, "resolved": 1}


async def test_what_was_received_before_the_hours_is_in_the_totals_only(history: History) -> None:
    await history.record(firing("old"))
    history.clock.advance(25 * HOUR)
    await history.record(firing("new", received_at=history.clock.now()))

    stats = await _stats(history)

    assert (stats.total, stats.received) == (2, 1)
    assert [top.count for top in stats.top_alerts] == [1]
    assert (await _stats(history, hours=26)).received == 2


async def test_the_timeline_has_an_entry_per_hour_oldest_first(history: History) -> None:
    await history.record(firing("first", severity_label="critical"))
    history.clock.advance(2.5 * HOUR)
    await history.record(resolved("second", received_at=history.clock.now(), severity_label="info"))

    stats = await _stats(history, hours=3)

    begins = [hour.begins_at.ToMicroseconds() for hour in stats.timeline]
    assert begins == [NOON + offset * HOUR * SECOND // 2 for offset in (-1, 1, 3)]
    assert [(hour.firing, hour.resolved) for hour in stats.timeline] == [(1, 0), (0, 0), (0, 1)]
    assert [(hour.critical, hour.warning, hour.info) for hour in stats.timeline] == [(1, 0, 0), (0, 0, 0), (0, 0, 1)]


async def test_the_most_frequent_alerts_come_first_with_their_last_report(history: History) -> None:
    await history.record(*(firing(f"disk{number}", alert_name="Disk", namespace="prod") for number in range(3)))
    history.clock.advance(60)
    await history.record(
        resolved("disk9", received_s=60, alert_name="Disk", namespace="prod", severity_label="warning")
    )
    await history.record(firing("cpu", alert_name="Cpu"))

    first, second = [MessageToDict(top, preserving_proto_field_name=True) for top in (await _stats(history)).top_alerts]

    assert first == {
        "alert_name": "Disk",
        "namespace": "prod",
        "count": "4",
        "last_received_at": first["last_received_at"],
        "severity_label": "warning",
    }
    assert (second["alert_name"], second["count"]) == ("Cpu", "1")


async def test_nothing_received_gives_empty_hours(history: History) -> None:
    stats = await _stats(history, hours=168)

    assert len(stats.timeline) == 168
    assert (stats.total, stats.received, len(stats.top_alerts)) == (0, 0, 0)


@pytest.mark.parametrize("hours", [-1, 169])
async def test_hours_out_of_bounds_are_refused(history: History, hours: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await _stats(history, hours=hours)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_occurrences_of_one_namespace(history: History) -> None:
    await history.record(firing("a", namespace="prod"), firing("b", namespace="dev"), firing("c"))

    found = await history.occurrences(filter=pb.OccurrenceFilter(namespace="prod"))

    assert [occurrence.fingerprint for occurrence in found] == ["a"]
