"""Importing the past, on either store: it is remembered, and it makes nothing happen."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL
from structlog.testing import capture_logs

from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Fingerprint, Instant, Report
from tests.integration.history.harness import (
    NOON,
    SECOND,
    TIMEOUT_S,
    History,
    at,
    eventually,
    firing,
    migrate_store,
    resolved,
    running,
)

DAY = 86_400
NEW, KNOWN, REFUSED = pb.IMPORT_OUTCOME_IMPORTED, pb.IMPORT_OUTCOME_KNOWN, pb.IMPORT_OUTCOME_REFUSED


async def imported(history: History, *reports: Report) -> list[int]:
    """Return what became of *reports*, imported in one call."""
    return [result.outcome for result in await results(history, reports)]


async def results(history: History, reports: Sequence[Report]) -> list[pb.ImportResult]:
    request = pb.ImportOccurrencesRequest(reports=map(alert_codec.report_message, reports))
    return list((await history.stub.ImportOccurrences(request, timeout=TIMEOUT_S)).results)


def past_firing(fingerprint: str = "a", day: int = -10, **fields: Any) -> Report:
    """Return a report that *fingerprint* began to fire *day* days after NOON, received a second later."""
    return firing(fingerprint, day * DAY, day * DAY + 1, **fields)


def past_resolved(fingerprint: str = "a", day: int = -10, **fields: Any) -> Report:
    """Return a report that what began *day* days after NOON ended an hour later, received a second after that."""
    return resolved(fingerprint, day * DAY, day * DAY + 3600, day * DAY + 3601, **fields)


async def everything(history: History, *, with_ids: bool = True) -> list[bytes]:
    """Return all occurrences and alerts, to the last field."""
    alerts = (await history.stub.ListAlerts(pb.ListAlertsRequest(page_size=1000), timeout=TIMEOUT_S)).alerts
    occurrences = await history.occurrences(page_size=1000)
    if not with_ids:
        for each in occurrences:
            each.ClearField("id")
    return [each.SerializeToString(deterministic=True) for each in (*occurrences, *alerts)]


async def test_the_past_makes_no_events_and_no_work(history: History) -> None:
    outcomes = await imported(history, past_firing("a"), past_resolved("b"), past_firing("b", -3))

    status = await history.status()
    assert outcomes == [NEW, NEW, NEW]
    assert (status.occurrences, status.alerts, status.firing_alerts) == (3, 2, 0)
    assert (status.events, status.pending_work) == (0, 0)


async def test_the_same_reports_live_do_make_events_and_work(history: History) -> None:
    """The negative control of the test before."""
    await history.record(past_firing("a"), past_resolved("b"), past_firing("b", -3))

    status = await history.status()
    kinds = [kind for kind in await history.kinds() if kind != "went_stale"]  # Whether that was found yet is chance.
    assert (status.firing_alerts, kinds, status.pending_work) == (2, ["fired", "fired"], 2)


async def test_importing_again_changes_nothing(history: History) -> None:
    reports = [past_firing("a"), past_resolved("b"), past_firing("b", -3), past_resolved("a", -8)]
    await imported(history, *reports)
    before = await everything(history)
    history.clock.advance(60)

    outcomes = await imported(history, *reports)

    assert outcomes == [KNOWN] * 4
    assert await everything(history) == before


async def test_how_the_past_is_cut_into_calls_makes_no_difference(migrated_url: URL, tmp_path: Path) -> None:
    reports = [
        past_firing("a"),
        past_resolved("a"),
        past_resolved("b", -9),
        past_firing("a", -8),
        past_firing("a", -8, generator_url="http://other"),
        past_firing("b", -20, received_at=at(-7 * DAY)),
    ]
    other = URL.create("sqlite+aiosqlite", database=str(tmp_path / "other.sqlite3"))
    migrate_store(other)

    async with running(migrated_url) as history:
        await imported(history, *reports)
        at_once = await everything(history, with_ids=False)
    async with running(other) as history:
        for report in reports:
            await imported(history, report)
        one_by_one = await everything(history, with_ids=False)

    assert one_by_one == at_once


async def test_a_later_report_of_a_known_occurrence_replaces_it(history: History) -> None:
    await imported(history, past_firing("a"))

    outcomes = await imported(history, past_resolved("a"))

    (occurrence,) = await history.occurrences()
    assert outcomes == [NEW]
    assert not occurrence.is_firing
    assert occurrence.times_received == 2


async def test_an_earlier_report_of_a_known_occurrence_is_passed_over(history: History) -> None:
    await imported(history, past_resolved("a"))

    outcomes = await imported(history, past_firing("a"))

    (occurrence,) = await history.occurrences()
    assert outcomes == [KNOWN]
    assert not occurrence.is_firing


async def test_several_reports_of_one_occurrence_in_a_call_fold_into_the_last(history: History) -> None:
    outcomes = await imported(history, past_firing("a"), past_resolved("a"))

    (occurrence,) = await history.occurrences()
    assert outcomes == [NEW, NEW]
    assert not occurrence.is_firing
    assert occurrence.first_received_at.seconds == NOON // SECOND - 10 * DAY + 1


async def test_what_was_reported_live_is_kept_over_the_older_past(history: History) -> None:
    await history.record(firing("a", -10 * DAY))

    outcomes = await imported(history, past_resolved("a"))

    (occurrence,) = await history.occurrences()
    assert outcomes == [KNOWN]
    assert occurrence.is_firing
    assert (await history.alert("a")).is_firing


async def test_an_alert_that_fires_here_only_learns_that_it_was_seen_earlier(history: History) -> None:
    await history.record(firing("a"))
    before = await history.alert("a")

    await imported(history, past_resolved("a", labels_json=b'{"old":"x"}', annotations_json=b'{"old":"x"}'))

    after = await history.alert("a")
    before.first_seen_at.CopyFrom(after.first_seen_at)
    assert after == before
    assert after.first_seen_at.seconds == NOON // SECOND - 10 * DAY + 3601


@pytest.mark.parametrize("is_newest_first", [True, False])
async def test_the_past_is_older_than_what_was_received_live(history: History, is_newest_first: bool) -> None:
    names = [f"past-{number}" for number in range(5)]
    await history.record(firing("live-0", -DAY))
    await imported(history, *(past_firing(name, -1) for name in names[:3]))
    await history.record(firing("live-1", -DAY))
    await imported(history, *(past_firing(name, -1) for name in names[3:]))

    ties = pb.TIE_ORDER_NEWEST_FIRST if is_newest_first else pb.TIE_ORDER_OLDEST_FIRST
    found = await paged(history, ties)

    oldest_first = [*names, "live-0", "live-1"]
    assert [each.fingerprint for each in found] == (oldest_first[::-1] if is_newest_first else oldest_first)
    assert sum(each.id < 0 for each in found) == 5


async def paged(history: History, ties: pb.TieOrder.ValueType) -> list[Any]:
    """Return all occurrences, asked for two by two."""
    found: list[Any] = []
    token = ""
    while True:
        request = pb.ListOccurrencesRequest(tie_order=ties, page_size=2, page_token=token)
        page = await history.stub.ListOccurrences(request, timeout=TIMEOUT_S)
        found += page.occurrences
        token = page.next_page_token
        if not token:
            return found


async def test_an_imported_alert_is_known_without_firing(history: History) -> None:
    await imported(history, past_resolved("a", -20), past_firing("a", namespace="prod", severity_label="critical"))

    alert = await history.alert("a")
    assert not alert.is_firing
    assert (alert.alert_name, alert.namespace, alert.severity_label) == ("HighLatency", "prod", "critical")
    assert (alert.times_seen, alert.times_fired) == (2, 0)
    assert alert.starts_at.seconds == NOON // SECOND - 20 * DAY
    assert alert.ends_at.seconds == NOON // SECOND - 20 * DAY + 3600
    assert alert.first_seen_at.seconds == NOON // SECOND - 20 * DAY + 3601
    assert alert.last_seen_at.seconds == NOON // SECOND - 10 * DAY + 1


async def test_an_alert_imported_as_firing_fires_when_it_is_reported_again(history: History) -> None:
    await imported(history, past_resolved("a", -20), past_firing("a"))

    decisions = await history.decisions(firing("a", -10 * DAY))

    assert decisions == ["fired"]
    assert [work.event.fingerprint for work in await history.lease()] == ["a"]


async def test_an_alert_imported_as_resolved_fires_with_a_new_start(history: History) -> None:
    await imported(history, past_resolved("a"))

    assert await history.decisions(firing("a")) == ["fired"]


async def test_an_alert_imported_as_resolved_fires_again_with_its_old_start(history: History) -> None:
    await imported(history, past_resolved("a"))

    decisions = await history.decisions(firing("a", -10 * DAY))
    history.clock.advance(31)

    assert decisions == ["held"]
    assert await eventually(history.kinds) == ["refired"]


async def test_a_late_resolve_of_an_imported_alert_changes_only_its_occurrence(history: History) -> None:
    await imported(history, past_firing("a"))

    decisions = await history.decisions(resolved("a", -10 * DAY, end_s=-1, received_s=0))

    (occurrence,) = await history.occurrences()
    assert decisions == ["not_open"]
    assert not occurrence.is_firing
    assert await history.kinds() == []
    assert await history.decisions(firing("a", 1, 2)) == ["fired"]


async def test_a_resolve_that_was_imported_does_not_close_the_episode_that_fires_now(history: History) -> None:
    await imported(history, past_resolved("a"))
    await history.record(firing("a"))

    decisions = await history.decisions(past_resolved("a", received_at=at(5)))

    assert decisions == ["duplicate"]
    assert (await history.alert("a")).is_firing


async def test_what_cannot_be_stored_is_refused_alone(history: History) -> None:
    answers = await results(
        history,
        [
            past_firing("a"),
            past_firing(""),
            past_firing("b", starts_at=Instant(-(2**60))),
            past_firing("c", labels_json=b'{"a":"\0"}'),
            past_firing("d", received_at=Instant(2**60)),
            past_firing("e"),
        ],
    )

    assert [each.outcome for each in answers] == [NEW, REFUSED, REFUSED, REFUSED, REFUSED, NEW]
    assert answers[1].refusal == "the fingerprint is empty"
    assert answers[2].refusal == "starts_at is not within the years 1 to 9999"
    assert [each.fingerprint for each in await history.occurrences()] == ["e", "a"]


async def test_the_past_may_come_from_a_clock_that_ran_ahead(history: History) -> None:
    ahead = firing("a", -DAY, received_s=3600)

    first = await imported(history, ahead)
    history.clock.advance(60)
    second = await imported(history, ahead)

    assert (first, second) == ([NEW], [KNOWN])
    assert await history.decisions(firing("a", -DAY, received_s=60)) == ["fired"]


async def test_a_live_report_takes_an_imported_occurrence_over(history: History) -> None:
    await imported(history, past_firing("a"))
    await history.record(firing("a", -10 * DAY))

    (occurrence,) = await history.occurrences()
    assert occurrence.id > 0
    assert occurrence.times_received == 2
    assert await imported(history, past_firing("a")) == [KNOWN]


async def test_odd_texts_of_the_past_survive(history: History) -> None:
    odd = Fingerprint("a\0\x10é")

    await imported(history, past_firing(odd, generator_url="\0", annotations_json=b"null"))

    (occurrence,) = await history.occurrences(filter=pb.OccurrenceFilter(fingerprint=odd))
    assert (occurrence.generator_url, occurrence.annotations_json) == ("\0", b"null")


async def test_two_imports_at_once_do_not_disturb_each_other(history: History) -> None:
    reports = [past_firing(f"a{number}") for number in range(200)]

    first, second = await asyncio.gather(imported(history, *reports), imported(history, *reversed(reports)))

    assert sorted(first + second) == [NEW] * 200 + [KNOWN] * 200
    assert (await history.status()).occurrences == 200


async def test_start_up_names_the_way_in_for_the_older_services_database(postgres_url: URL) -> None:
    migrate_store(postgres_url)
    with capture_logs() as before:
        async with running(postgres_url):
            pass
    plain = postgres_url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.alerts (id bigint)")
        connection.execute("CREATE TABLE public.alert_classifications (id bigint)")

    with capture_logs() as after:
        async with running(postgres_url):
            pass

    assert not [line for line in before if "ahctl import" in line["event"]]
    assert len([line for line in after if "ahctl import" in line["event"]]) == 1
