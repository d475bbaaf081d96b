"""ReportService, as a client calls it."""

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from alerthistory.history.v1 import report_service_pb2 as pb
from alerthistory.history.v1.report_service_pb2_grpc import ReportServiceStub
from alerthistory_common import alert_codec, rpc_status
from alerthistory_common.alerts import Instant
from alerthistory_common.errors import InvalidArgumentError, PageTokenMismatchError
from tests.integration.history.harness import NOON, TIMEOUT_S, History, at, firing, resolved

DAY_S = 86_400


def _stub(history: History) -> ReportServiceStub:
    return ReportServiceStub(history.channel)


def _window(begin_s: float | None = None, end_s: float | None = None) -> pb.ReportWindow:
    return pb.ReportWindow(
        begins_at=None if begin_s is None else alert_codec.timestamp(at(begin_s)),
        ends_at=None if end_s is None else alert_codec.timestamp(at(end_s)),
    )


async def _some_alerts(history: History, count: int = 7) -> None:
    for number in range(count):
        name = f"fp-{number}"
        for turn in range(number + 1):
            await history.record(
                firing(name, 10 * turn, 10 * turn, alert_name=f"Name{number}"),
                resolved(name, 10 * turn, 10 * turn + 5, 10 * turn + 5, alert_name=f"Name{number}"),
            )
    history.clock.advance(120)


@pytest.mark.parametrize("grouping", [pb.TOP_GROUPING_NAME, pb.TOP_GROUPING_ALERT])
@pytest.mark.parametrize("order", [pb.TOP_ORDER_FIRED, pb.TOP_ORDER_FIRING_TIME])
async def test_pages_of_the_top_alerts_neither_skip_nor_repeat(
    history: History, grouping: pb.TopGrouping.ValueType, order: pb.TopOrder.ValueType
) -> None:
    await _some_alerts(history)
    await history.record(*(firing(f"open-{number}", alert_name=f"Open{number}") for number in range(3)))
    history.clock.advance(1)
    window = _window(-3600, 120)

    found: list[pb.TopAlert] = []
    token = "-"
    while token:
        request = pb.ListTopAlertsRequest(
            window=window, grouping=grouping, order=order, page_size=3, page_token=token.strip("-")
        )
        answer = await _stub(history).ListTopAlerts(request, timeout=TIMEOUT_S)
        found += answer.top_alerts
        token = answer.next_page_token

    names = [top.alert_name for top in found]
    if order == pb.TOP_ORDER_FIRED:
        assert [top.fired_count for top in found] == [7, 6, 5, 4, 3, 2, 1, 1, 1, 1]
        assert names[:6] == [f"Name{number}" for number in range(6, 0, -1)]
        assert set(names[6:]) == {"Name0", "Open0", "Open1", "Open2"}
    else:
        assert set(names) == {"Open0", "Open1", "Open2"}


async def test_flapping_alerts_are_shown_with_their_labels(history: History) -> None:
    await _some_alerts(history, 3)

    answer = await _stub(history).ListFlappingAlerts(pb.ListFlappingAlertsRequest(), timeout=TIMEOUT_S)

    assert [(each.alert.fingerprint, each.change_count) for each in answer.flapping_alerts] == [
        ("fp-2", 6),
        ("fp-1", 4),
    ]
    assert answer.flapping_alerts[0].alert.labels_json == b'{"alertname":"HighLatency"}'
    begins, ends = alert_codec.instant(answer.window.begins_at), alert_codec.instant(answer.window.ends_at)
    assert (begins.micros % (DAY_S * 1_000_000), ends) == (0, Instant(NOON + 120_000_000))


async def test_short_windows_are_made_of_hours_and_long_ones_of_days(history: History) -> None:
    history.clock.advance(1800)
    short = await _stub(history).GetActivity(pb.GetActivityRequest(window=_window(-3600 * 46)), timeout=TIMEOUT_S)
    long = await _stub(history).GetActivity(pb.GetActivityRequest(window=_window(-3600 * 49)), timeout=TIMEOUT_S)

    assert alert_codec.instant(short.window.begins_at) == at(-3600 * 46)
    assert alert_codec.instant(long.window.begins_at) == at(-3600 * 56)
    assert (len(short.series), len(long.series)) == (47, 3)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("ListTopAlerts", pb.ListTopAlertsRequest(window=_window(0, -1)), "begins_at"),
        ("ListTopAlerts", pb.ListTopAlertsRequest(window=_window(60)), "begins_at"),
        ("ListDurations", pb.ListDurationsRequest(window=_window(-367 * DAY_S)), "begins_at"),
        ("ListNoise", pb.ListNoiseRequest(threshold=Duration(seconds=61)), "threshold"),
        ("ListNoise", pb.ListNoiseRequest(threshold=Duration(seconds=3660)), "threshold"),
        ("ListNoise", pb.ListNoiseRequest(threshold=Duration(seconds=60, nanos=1)), "threshold"),
        ("GetActivity", pb.GetActivityRequest(utc_offset=Duration(seconds=19_800)), "utc_offset"),
        ("GetActivity", pb.GetActivityRequest(utc_offset=Duration(seconds=15 * 3600)), "utc_offset"),
        ("ListFlappingAlerts", pb.ListFlappingAlertsRequest(page_size=-1), "page_size"),
    ],
)
async def test_what_makes_no_sense_is_refused(history: History, method: str, request_: Any, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(_stub(history), method)(request_, timeout=TIMEOUT_S)

    error = rpc_status.from_rpc_error(refused.value)
    assert isinstance(error, InvalidArgumentError)
    assert error.message.startswith(f"{field} ")


async def test_a_token_of_another_question_is_refused(history: History) -> None:
    await _some_alerts(history, 3)
    first = await _stub(history).ListTopAlerts(pb.ListTopAlertsRequest(page_size=1), timeout=TIMEOUT_S)

    other = pb.ListTopAlertsRequest(page_size=1, page_token=first.next_page_token, order=pb.TOP_ORDER_FIRING_TIME)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _stub(history).ListTopAlerts(other, timeout=TIMEOUT_S)

    assert isinstance(rpc_status.from_rpc_error(refused.value), PageTokenMismatchError)
