"""RecordAlerts through the real stores."""

import asyncio
import random

import pytest
from sqlalchemy import URL, create_engine, text

from alerthistory.alert.v1 import alert_pb2
from alerthistory_common import alert_codec
from alerthistory_common.alerts import ZERO_TIME, Instant, Severity
from tests import builders
from tests.integration.history.harness import (
    NOON,
    History,
    ManualClock,
    at,
    eventually,
    firing,
    resolved,
    running,
)

_YEAR_9999 = Instant(253_402_300_799_999_999, 999)


async def test_a_firing_is_stored_as_occurrence_alert_event_and_leased_work(history: History) -> None:
    answer = await history.record(firing("00000000000000a1"), lease_owner="a", lease_capacity=10)

    assert [result.decision for result in answer.results] == ["fired"]
    (work,) = answer.work
    assert (work.event.fingerprint, work.attempt) == ("00000000000000a1", 1)
    (occurrence,) = await history.occurrences()
    assert (occurrence.alert_name, occurrence.is_firing, occurrence.times_received) == ("HighLatency", True, 1)
    alert = await history.alert("00000000000000a1")
    assert (alert.is_firing, alert.times_seen, alert.times_fired) == (True, 1, 1)
    assert (await history.events()) == [work.event]


async def test_everything_said_is_given_back(history: History) -> None:
    report = firing(
        "fp",
        starts_at=Instant(NOON - 1, 999),
        ends_at=Instant(NOON + 7, 1),
        labels_json=b'{"alertname":"\xc3\x84","x":"\\u0000"}',
        annotations_json=b'["any",1]',
        generator_url="",
        alert_name="Ä",
        namespace="prod",
        severity_label="page",
        traceparent="00-1-2-03",
    )
    await history.record(report)

    (occurrence,) = await history.occurrences()
    alert = await history.alert("fp")
    (event,) = await history.events()
    assert alert_codec.instant(occurrence.starts_at) == report.starts_at
    assert alert_codec.instant(occurrence.ends_at) == report.ends_at
    for shown in (occurrence, alert, event):
        assert (shown.fingerprint, shown.alert_name) == ("fp", "Ä")
        assert (shown.labels_json, shown.annotations_json) == (report.labels_json, report.annotations_json)
        assert (shown.HasField("generator_url"), shown.generator_url) == (True, "")
    assert (alert.namespace, alert.severity_label) == ("prod", "page")
    assert (event.sender, event.traceparent) == ("webhook:a", "00-1-2-03")
    assert alert_codec.instant(event.occurred_at) == Instant(NOON)


async def test_a_missing_generator_url_stays_missing(history: History) -> None:
    await history.record(firing(generator_url=None))

    (occurrence,) = await history.occurrences()
    assert not occurrence.HasField("generator_url")
    assert not occurrence.HasField("ends_at")


async def test_a_repeated_call_changes_nothing_but_last_seen(history: History) -> None:
    call = [firing("a"), firing("b"), resolved("c"), firing("a", received_s=1)]
    await history.record(*call)
    before = await history.events()

    assert await history.decisions(*call) == ["superseded", "repeated", "not_open", "repeated"]
    assert await history.events() == before
    assert len(await history.occurrences()) == 3


async def test_an_older_report_of_an_occurrence_does_not_touch_it(history: History) -> None:
    await history.record(resolved(received_s=5, end_s=5))
    before = await history.occurrences()

    assert await history.decisions(firing(received_s=4)) == ["superseded"]
    assert await history.occurrences() == before


async def test_an_alert_goes_from_fired_to_resolved_and_fires_again(history: History) -> None:
    assert await history.decisions(firing(), resolved(), firing(start_s=2, received_s=3)) == [
        "fired",
        "resolved",
        "fired",
    ]
    assert await history.kinds("a") == ["fired", "resolved", "fired"]
    alert = await history.alert("a")
    assert (alert.is_firing, alert.times_fired, alert.HasField("ends_at")) == (True, 2, False)


async def test_a_resolved_alert_shows_its_end(history: History) -> None:
    await history.record(firing(), resolved(end_s=1, received_s=9))

    alert = await history.alert("a")
    assert alert_codec.instant(alert.ends_at) == at(1)
    assert alert_codec.instant(alert.first_seen_at) == at(0)
    assert alert_codec.instant(alert.last_seen_at) == at(9)


async def test_reports_of_one_occurrence_in_one_call_fold_into_the_last(history: History) -> None:
    await history.record(firing(), firing("b"), firing(received_s=1), resolved(received_s=2))

    first, second = await history.occurrences()
    assert (first.fingerprint, first.is_firing, first.times_received) == ("a", False, 3)
    assert alert_codec.instant(first.first_received_at) == at(0)
    assert alert_codec.instant(first.last_received_at) == at(2)
    assert first.id > second.id


async def test_ids_grow_in_payload_order_and_with_every_report(history: History) -> None:
    names = ["z", "b", "y", "a", "c"]
    await history.record(*map(firing, names))
    await history.record(firing("y"))

    by_id = sorted(await history.occurrences(), key=lambda occurrence: occurrence.id)
    assert [occurrence.fingerprint for occurrence in by_id] == ["z", "b", "a", "c", "y"]


async def test_store_only_keeps_events_but_makes_no_work(history: History) -> None:
    answer = await history.record(firing(), store_only=True, lease_owner="a", lease_capacity=5)

    assert (len(answer.work), await history.lease()) == (0, [])
    assert await history.kinds() == ["fired"]


async def test_what_time_brings_to_a_stored_alert_makes_no_work(history: History) -> None:
    await history.record(firing("held"), resolved("held"), store_only=True)
    await history.record(firing("leased", lease_expires_at=at(10)), store_only=True)
    await history.record(firing("held", received_s=2), store_only=True)
    history.clock.advance(100)

    async def has_come() -> bool:
        return {"refired", "expired"} <= set(await history.kinds())

    await eventually(has_come)
    assert await history.lease() == []
    await history.record(resolved("held", end_s=100, received_s=100))
    assert len(await history.lease()) == 1


async def test_no_more_is_leased_than_the_caller_can_take(history: History) -> None:
    answer = await history.record(*map(firing, "abcde"), lease_owner="a", lease_capacity=2)

    assert [work.event.fingerprint for work in answer.work] == ["a", "b"]
    assert [work.event.fingerprint for work in await history.lease("b")] == ["c", "d", "e"]


async def test_without_an_owner_nothing_is_leased(history: History) -> None:
    assert not (await history.record(firing(), lease_capacity=5)).work
    assert len(await history.lease()) == 1


async def test_changes_that_are_not_published_make_no_work(history: History) -> None:
    answer = await history.record(
        firing(annotations_json=b"[1]"),
        firing(received_s=1, annotations_json=b"[2]"),
        firing(start_s=-1, received_s=2, annotations_json=b"[2]"),
        lease_owner="a",
        lease_capacity=9,
    )

    assert await history.kinds() == ["fired", "annotations_changed", "start_moved"]
    assert len(answer.work) == 1


async def test_two_peers_delivering_at_once_fire_once(history: History, migrated_url: URL) -> None:
    async with running(migrated_url, history.clock) as peer:
        reports = [firing(f"fp-{number}", sender=sender) for number in range(5) for sender in "xy"]

        async def deliver(replica: History) -> None:
            for report in random.sample(reports, len(reports)):
                await replica.record(report, lease_owner="a", lease_capacity=9)

        async with asyncio.TaskGroup() as tasks:
            for number in range(16):
                tasks.create_task(deliver(peer if number % 2 else history))

        assert sorted(await history.kinds()) == ["fired"] * 5
        status = await history.status()
        assert (status.pending_work, status.occurrences, status.alerts) == (5, 5, 5)
        assert sum(each.times_received for each in await history.occurrences()) == 16 * len(reports)


async def test_overlapping_batches_do_not_deadlock(history: History, migrated_url: URL) -> None:
    async with running(migrated_url, history.clock) as peer:

        async def deliver(replica: History, seed: int) -> None:
            chosen = random.Random(seed)
            for turn in range(10):
                names = chosen.sample(range(60), 40)
                flip = firing if chosen.random() < 0.5 else resolved
                await replica.record(*(flip(f"fp-{name}", start_s=turn, received_s=turn) for name in names))

        async with asyncio.TaskGroup() as tasks:
            for seed in range(8):
                tasks.create_task(deliver(peer if seed % 2 else history, seed))

        assert (await history.status()).alerts == 60
        await _events_are_alternating(history)


async def _events_are_alternating(history: History) -> None:
    by_alert: dict[str, list[str]] = {}
    for event in await history.events():
        kind = alert_codec.kind(event.kind)
        if kind.is_published:
            by_alert.setdefault(event.fingerprint, []).append("open" if kind.is_firing else "closed")
    for turns in by_alert.values():
        assert turns == ["open", "closed"] * (len(turns) // 2) + ["open"] * (len(turns) % 2)


async def test_what_the_store_refuses_is_refused_alone(history: History, migrated_url: URL) -> None:
    _refuse_alerts_named("Poison", migrated_url)
    reports = [firing(f"fp-{number}") for number in range(9)]
    reports[4] = firing("bad", alert_name="Poison")

    answer = await history.record(*reports, lease_owner="a", lease_capacity=100)

    assert [bool(result.refusal) for result in answer.results] == [report.fingerprint == "bad" for report in reports]
    assert [result.decision for result in answer.results if result.decision] == ["fired"] * 8
    assert len(answer.work) == 8
    assert (await history.status()).alerts == 8
    assert history.metric("alerthistory_history_refused_total") == 1


async def test_a_refused_report_fails_no_other_call(history: History, migrated_url: URL) -> None:
    _refuse_alerts_named("Poison", migrated_url)
    calls = [history.record(firing(f"fp-{number}")) for number in range(20)]
    calls.insert(10, history.record(firing("bad", alert_name="Poison")))

    answers = await asyncio.gather(*calls)

    assert [bool(answer.results[0].refusal) for answer in answers] == [number == 10 for number in range(21)]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"fingerprint": ""}, "fingerprint"),
        ({"starts_at": Instant(ZERO_TIME.micros - 1)}, "starts_at"),
        ({"received_at": Instant(_YEAR_9999.micros + 1)}, "received_at"),
        ({"ends_at": Instant(2**62)}, "ends_at"),
        ({"lease_expires_at": Instant(-(2**62))}, "lease_expires_at"),
        ({"labels_json": b"\xff"}, "labels_json"),
        ({"annotations_json": b'"\x00"'}, "annotations_json"),
    ],
)
async def test_a_report_that_no_store_can_hold_is_refused_alone(
    history: History, fields: dict[str, object], named: str
) -> None:
    answer = await history.record(firing("a"), builders.report(**fields), firing("b"))

    assert [result.decision for result in answer.results] == ["fired", "", "fired"]
    assert named in answer.results[1].refusal


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\x10@", "\x10P\0\x10", "ü" * 3000, "\U0001f525", "%s;--'\""])
async def test_any_text_is_kept_and_found(history: History, odd: str) -> None:
    await history.record(
        firing(odd, alert_name=odd, generator_url=odd, sender=odd, namespace=odd, severity_label=odd), firing("other")
    )

    (occurrence,) = await history.occurrences(filter={"alert_name": odd})
    assert (occurrence.fingerprint, occurrence.alert_name, occurrence.generator_url) == (odd, odd, odd)
    assert len(await history.occurrences(filter={"fingerprint": odd})) == 1
    alert = await history.alert(odd)
    assert (alert.namespace, alert.severity_label) == (odd, odd)
    (event,) = await history.events(odd)
    assert event.sender == odd


async def test_held_text_survives_too(history: History) -> None:
    await history.record(firing(), resolved())
    odd = "\0\x10é"
    assert await history.decisions(firing(received_s=2, sender=odd, annotations_json='"é"'.encode())) == ["held"]

    history.clock.advance(60)
    (event,) = await eventually(lambda: _of_kind(history, "refired"))
    assert (event.sender, event.annotations_json) == (odd, '"é"'.encode())


async def test_a_label_of_megabytes_is_kept(history: History) -> None:
    labels = b'{"alertname":"' + b"x" * 3_000_000 + b'"}'
    await history.record(firing(labels_json=labels, alert_name="x" * 3_000_000))

    (occurrence,) = await history.occurrences(filter={"alert_name": "x" * 3_000_000})
    assert occurrence.labels_json == labels


async def test_the_first_and_the_last_moment_are_kept(history: History) -> None:
    await history.record(
        firing("first", starts_at=ZERO_TIME, ends_at=ZERO_TIME),
        firing("last", starts_at=_YEAR_9999, ends_at=_YEAR_9999, lease_expires_at=_YEAR_9999),
        resolved("ended", starts_at=ZERO_TIME, ends_at=_YEAR_9999, received_at=_YEAR_9999),
    )

    last, *_, first = await history.occurrences()
    assert alert_codec.instant(last.starts_at) == alert_codec.instant(last.ends_at) == _YEAR_9999
    assert alert_codec.instant(first.starts_at) == ZERO_TIME
    assert alert_codec.instant((await history.alert("first")).starts_at) == ZERO_TIME


async def test_a_call_of_many_thousand_reports_is_one_commit(history: History) -> None:
    answer = await history.record(*(firing(f"fp-{number}") for number in range(12_000)))

    assert len(answer.results) == 12_000
    assert (await history.status()).events == 12_000
    assert history.metric("alerthistory_history_commit_reports_count") == 1


async def test_the_service_goes_on_after_a_restart(migrated_url: URL) -> None:
    clock = ManualClock()
    async with running(migrated_url, clock) as before:
        await before.record(firing(), resolved(), firing("b"))
        (event, *_) = await before.events()
    async with running(migrated_url, clock) as after:
        assert await after.decisions(resolved(received_s=2), firing("b", received_s=2)) == ["duplicate", "repeated"]
        await after.record(firing("c"))
        assert (await after.events())[0] == event
        ids = [occurrence.id for occurrence in await after.occurrences()]
        assert len(set(ids)) == len(ids) == 3
        assert [work.event.fingerprint for work in await after.lease()] == ["a", "b", "c"]


async def test_severity_of_the_verdict_wins_over_the_label(history: History) -> None:
    await history.record(firing(severity_label="info"))
    (work,) = await history.lease()
    await history.complete(work, severity=Severity.CRITICAL)

    assert alert_codec.severity((await history.alert("a")).severity) is Severity.CRITICAL


async def _of_kind(history: History, kind: str) -> list[alert_pb2.AlertEvent]:
    return [event for event in await history.events() if alert_codec.kind(event.kind).value == kind]


def _refuse_alerts_named(name: str, url: URL) -> None:
    """Make the database refuse an alert for a reason that only it knows."""
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = create_engine(url.set(drivername="sqlite") if is_sqlite else url)
    with engine.begin() as connection:
        if is_sqlite:
            connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON occurrences"
                    f" WHEN NEW.alert_name = '{name}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
        else:
            connection.execute(text(f"ALTER TABLE history.occurrences ADD CHECK (alert_name <> '{name}')"))
    engine.dispose()
