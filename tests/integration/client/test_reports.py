"""``ahctl report``, as a user runs it, against services in memory."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.history.v1 import report_service_pb2 as pb
from alerthistory_common.errors import UnavailableError
from tests.integration.client.command import ahctl
from tests.integration.client.fake_services import FakeServices
from tests.integration.client.messages import HOSTILE, UNSAFE

NOON = 1_800_000_000
WINDOW = pb.ReportWindow(begins_at=Timestamp(seconds=NOON - 3600), ends_at=Timestamp(seconds=NOON))
ALERT = pb.ReportedAlert(
    fingerprint="00a1",
    alert_name="Disk",
    namespace="shop",
    severity_label="critical",
    labels_json=b'{"pod":"x"}',
    is_firing=True,
)


def _seconds(seconds: int) -> Duration:
    return Duration(seconds=seconds)


def _top(**fields: Any) -> pb.TopAlert:
    counts = {"fired_count": 7, "resolved_count": 6, "expired_count": 1, "alert_count": 3}
    return pb.TopAlert(firing_time=_seconds(7200), **(counts | fields))


async def test_top_names(services: FakeServices, address: str) -> None:
    services.reports["ListTopAlerts"] = pb.ListTopAlertsResponse(window=WINDOW, top_alerts=[_top(alert_name="Disk")])

    finished = await ahctl("report", "top", "--since", "3h", "--namespace", "", "--server", address)

    assert finished.status == 0
    assert finished.err == "from 2027-01-15T07:00:00Z to 2027-01-15T08:00:00Z\n"
    assert finished.out.split() == [
        *("ALERT", "ALERTS", "FIRED", "RESOLVED", "EXPIRED", "FIRED", "FOR"),
        *("Disk", "3", "7", "6", "1", "2", "hours"),
    ]
    (asked,) = services.asked
    assert (asked.grouping, asked.order, asked.page_size) == (pb.TOP_GROUPING_NAME, pb.TOP_ORDER_FIRED, 20)
    assert asked.filter == pb.ReportFilter(namespace="")
    assert asked.window.ends_at.seconds - asked.window.begins_at.seconds in {10_800, 10_801}


async def test_top_alerts_as_json(services: FakeServices, address: str) -> None:
    services.reports["ListTopAlerts"] = pb.ListTopAlertsResponse(
        window=WINDOW, top_alerts=[_top(alert_name="Disk", alert=ALERT)]
    )

    finished = await ahctl("report", "top", "--by", "alert", "--order", "firing-time", "--json", "--server", address)

    assert finished.json == {
        "window": {"begins_at": "2027-01-15T07:00:00+00:00", "ends_at": "2027-01-15T08:00:00+00:00"},
        "rows": [
            {
                "alert_name": "Disk",
                "alert": {
                    "fingerprint": "00a1",
                    "alert_name": "Disk",
                    "namespace": "shop",
                    "severity_label": "critical",
                    "labels": {"pod": "x"},
                    "is_firing": True,
                },
                "fired_count": 7,
                "resolved_count": 6,
                "expired_count": 1,
                "firing_time": 7200.0,
                "alert_count": 3,
            }
        ],
    }
    assert services.asked[0].order == pb.TOP_ORDER_FIRING_TIME


async def test_a_list_goes_on_until_the_limit(services: FakeServices, address: str) -> None:
    services.reports["ListTopAlerts"] = pb.ListTopAlertsResponse(
        window=WINDOW, top_alerts=[_top(alert_name="A"), _top(alert_name="B")], next_page_token="more"
    )

    finished = await ahctl("report", "top", "--limit", "5", "--json", "--server", address)

    assert len(finished.json["rows"]) == 5
    assert [(each.page_size, each.page_token) for each in services.asked] == [(5, ""), (3, "more"), (1, "more")]
    assert len({each.window.ends_at.seconds for each in services.asked}) == 1


async def test_flapping_alerts(services: FakeServices, address: str) -> None:
    flapping = pb.FlappingAlert(alert=ALERT, change_count=40, changes_per_hour=40.0, longest_quiet=_seconds(600))
    services.reports["ListFlappingAlerts"] = pb.ListFlappingAlertsResponse(window=WINDOW, flapping_alerts=[flapping])

    finished = await ahctl("report", "flapping", "--severity", "critical", "--server", address)

    assert finished.out.splitlines()[1].split() == [
        *("Disk", "shop", "critical", "firing", "00a1", "40", "40", "10", "minutes")
    ]
    assert services.asked[0].filter.severity_label == "critical"


async def test_durations(services: FakeServices, address: str) -> None:
    spans = pb.Spans(count=2, mean=_seconds(90), p50=_seconds(60), p95=_seconds(120))
    services.reports["ListDurations"] = pb.ListDurationsResponse(
        window=WINDOW,
        total=pb.Durations(episodes=spans, gaps=pb.Spans()),
        durations=[pb.Durations(value="shop", episodes=spans, gaps=spans)],
    )

    finished = await ahctl("report", "durations", "--by", "namespace", "--server", address)

    heading, row, total = finished.out.splitlines()
    assert heading.startswith("NAMESPACE")
    assert row.split() == [
        *("shop", "2", "90", "seconds", "60", "seconds", "2", "minutes"),
        *("90", "seconds", "60", "seconds"),
    ]
    assert total.split() == ["(all)", "2", "90", "seconds", "60", "seconds", "2", "minutes"]


async def test_noise(services: FakeServices, address: str) -> None:
    noise = pb.Noise(value="Disk", resolved_count=4, noise_count=3, noise_share=0.75)
    services.reports["ListNoise"] = pb.ListNoiseResponse(window=WINDOW, total=noise, noise=[noise])

    finished = await ahctl("report", "noise", "--threshold", "2m", "--server", address)

    assert finished.out.splitlines()[1].split() == ["Disk", "4", "3", "75%"]
    assert services.asked[0].threshold == _seconds(120)


async def test_activity(services: FakeServices, address: str) -> None:
    series = [
        pb.Activity(begins_at=Timestamp(seconds=NOON - 3600), fired_count=2),
        pb.Activity(begins_at=Timestamp(seconds=NOON), fired_count=4),
    ]
    heat = [pb.WeekdayActivity(fired_counts=[day if hour == 5 else 0 for hour in range(24)]) for day in range(7)]
    services.reports["GetActivity"] = pb.GetActivityResponse(
        window=WINDOW,
        total=_top(),
        series=series,
        heat_map=heat,
        names=[pb.ActivityShare(value="Disk", fired_count=6)],
    )

    finished = await ahctl("report", "activity", "--utc-offset", "2", "--bucket", "hour", "--server", address)

    assert finished.out.startswith("fired 7, resolved 6, expired 1; 3 alerts, firing for 2 hours in all\n")
    assert f"2027-01-15 09:00  2      0         0        {'█' * 20}" in finished.out
    assert "Sun" + " " * 17 + "██" in finished.out
    assert "Disk   6" in finished.out
    assert services.asked[0].utc_offset == _seconds(7200)


async def test_nothing_is_said_to_be_nothing(services: FakeServices, address: str) -> None:
    services.reports["ListFlappingAlerts"] = pb.ListFlappingAlertsResponse(window=WINDOW)

    assert (await ahctl("report", "flapping", "--server", address)).out == "no alert flapped in that time\n"


async def test_names_cannot_fool_the_terminal(services: FakeServices, address: str) -> None:
    services.reports["ListTopAlerts"] = pb.ListTopAlertsResponse(window=WINDOW, top_alerts=[_top(alert_name=HOSTILE)])

    finished = await ahctl("report", "top", "--server", address)

    assert not set(UNSAFE) & set(finished.out)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("top", "--since", "yesterday"), "'yesterday' is no time: write 2h, 7d or 2026-11-25T14:00:00Z"),
        (("noise", "--threshold", "soon"), "'soon' is no span of time: write 30s, 5m, 2h, 7d or 1w"),
        (("activity", "--utc-offset", "15"), "15 is not in the range -12<=x<=14"),
        (("durations", "--by", "pod"), "'pod' is not one of"),
    ],
)
async def test_wrong_options_are_explained(arguments: tuple[str, ...], told: str) -> None:
    finished = await ahctl("report", *arguments)

    assert finished.status == 2
    assert told in finished.err


async def test_counting_that_is_behind_is_told(services: FakeServices, address: str) -> None:
    services.error = UnavailableError("many events are still to be counted for the reports: try again in a while")

    finished = await ahctl("report", "top", "--server", address)

    assert finished.status == 1
    assert "many events are still to be counted" in finished.err
