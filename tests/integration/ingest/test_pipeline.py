"""What changed is judged, published and done: once, in order, and whatever fails on the way."""

import asyncio

from alerthistory.alert.v1 import alert_pb2
from alerthistory.ingest.v1 import ingest_service_pb2 as pb
from tests.integration.ingest.harness import House, alert, open_house, until, webhook


def _published(house: House) -> list[str]:
    return [publication.event.alert_name for publication in house.publisher.published]


def _is_done(house: House) -> bool:
    return not house.history.queue


async def test_a_fired_alert_is_judged_published_with_its_verdict_and_completed() -> None:
    async with open_house() as house:
        await house.ingest(webhook([alert("A")]))
        await until(lambda: _is_done(house))
        (publication,) = house.publisher.published
        assert publication.verdict.reasoning == "because"
        (verdict,) = house.history.verdicts.values()
        assert verdict is not None
        assert verdict.reasoning == "because"
        assert (await house.stub.GetStatus(pb.GetStatusRequest())).completed == 1


async def test_repeated_alerts_make_no_work() -> None:
    async with open_house() as house:
        for _ in range(3):
            await house.ingest(webhook([alert("A")]))
        await until(lambda: _is_done(house))
        assert _published(house) == ["A"]


async def test_events_of_one_alert_go_one_after_another() -> None:
    async with open_house() as house:
        house.classifier.gate.clear()
        for is_firing in (True, False, True, False):
            await house.ingest(webhook([alert("A", is_firing=is_firing)]))
        await until(lambda: len(house.classifier.events) == 1)
        assert house.publisher.published == []
        house.classifier.gate.set()
        await until(lambda: _is_done(house))
        kinds = [publication.event.kind for publication in house.publisher.published]
        assert kinds == [alert_pb2.EVENT_KIND_FIRED, alert_pb2.EVENT_KIND_RESOLVED] * 2
        assert house.classifier.most_running == 1


async def test_there_are_never_more_leases_than_slots() -> None:
    async with open_house(pipeline_slots=4, record_batches=8) as house:
        async with asyncio.TaskGroup() as tasks:
            for n in range(40):
                tasks.create_task(house.ingest(webhook([alert(f"A{n}"), alert(f"B{n}")])))
        await until(lambda: _is_done(house))
        assert len(house.publisher.published) == 80
        assert house.history.most_leased <= 4
        assert house.classifier.most_running <= 4
        assert max(house.history.lease_sizes) <= 4


async def test_without_a_classifier_alerts_are_published_without_a_verdict() -> None:
    async with open_house() as house:
        house.classifier.is_down = True
        await house.ingest(webhook([alert("A")]))
        await until(lambda: _is_done(house))
        (publication,) = house.publisher.published
        assert not publication.HasField("verdict")
        assert list(house.history.verdicts.values()) == [None]
        assert house.metric('alerthistory_ingest_stage_failures_total{stage="classify"}') == 1


async def test_a_classifier_that_hangs_or_talks_nonsense_stops_nothing() -> None:
    async with open_house(classify_timeout_s=0.2) as house:
        house.classifier.gives_nonsense = True
        await house.ingest(webhook([alert("A")]))
        await until(lambda: _is_done(house))
        house.classifier.gate.clear()
        await house.ingest(webhook([alert("B")]))
        await until(lambda: _is_done(house))
        assert [p.HasField("verdict") for p in house.publisher.published] == [False, False]


async def test_a_mode_without_verdicts_is_no_failure() -> None:
    async with open_house() as house:
        house.classifier.gives_none = True
        await house.ingest(webhook([alert("A")]))
        await until(lambda: _is_done(house))
        assert not house.publisher.published[0].HasField("verdict")
        assert house.metric('alerthistory_ingest_stage_failures_total{stage="classify"}') == 0


async def test_what_could_not_be_published_is_published_when_the_publisher_is_back() -> None:
    async with open_house() as house:
        house.publisher.is_down = True
        await house.ingest(webhook([alert("A")]))
        await until(lambda: bool(house.history.released))
        assert [delay for _, delay in house.history.released] == [1.0]
        assert house.history.verdicts == {}
        house.publisher.is_down = False
        await until(lambda: _is_done(house))
        assert _published(house) == ["A"]
        assert house.metric("alerthistory_ingest_lease_takeovers_total") == 1


async def test_while_webhooks_wait_to_be_stored_the_pipeline_makes_way() -> None:
    async with open_house(pipeline_busy_slots=2, record_batches=1) as house:
        await until(lambda: len(house.history.lease_sizes) > 0)
        house.classifier.gate.clear()
        await house.ingest(webhook(alert(f"A{n}") for n in range(20)))
        assert house.history.record_calls[0].lease_capacity == 2
        await until(lambda: house.history.most_leased == 20)
        house.classifier.gate.set()
        await until(lambda: _is_done(house))


async def test_what_waits_for_a_call_becomes_the_next_one() -> None:
    async with open_house(pipeline_batches=1) as house:
        house.classifier.gate.clear()
        await house.ingest(webhook([alert("First")]))
        await until(lambda: house.classifier.running == 1)
        await house.ingest(webhook(alert(f"A{n}") for n in range(40)))
        await until(lambda: house.metric("alerthistory_ingest_pipeline_in_flight") == 41)
        house.classifier.gate.set()
        await until(lambda: _is_done(house))
        assert house.classifier.most_at_once == 40
        assert house.publisher.attempts <= 3


async def test_an_event_that_is_refused_does_not_touch_those_in_the_same_call() -> None:
    async with open_house() as house:
        house.classifier.refuse_names = frozenset({"Unjudged"})
        house.publisher.refuse_names = frozenset({"Unpublished"})
        await house.ingest(webhook(alert(name) for name in ("A", "Unjudged", "B", "Unpublished", "C")))
        await until(lambda: len(house.history.verdicts) == 4)
        assert {p.event.alert_name: p.HasField("verdict") for p in house.publisher.published} == {
            "A": True,
            "B": True,
            "C": True,
            "Unjudged": False,
        }
        assert [work.event.alert_name for work in house.history.queue] == ["Unpublished"]


async def test_work_of_a_dead_replica_is_taken_over_when_its_lease_is_over() -> None:
    async with open_house() as house:
        house.history.add_work("orphan", owner="dead", lease_ends_in=0.3)
        held = house.history.add_work("held", owner="alive", lease_ends_in=60)
        await until(lambda: len(house.history.verdicts) == 1)
        assert [p.event.fingerprint for p in house.publisher.published] == ["orphan"]
        assert house.history.queue == [held]


async def test_work_beyond_the_capacity_is_leased_as_slots_come_free() -> None:
    async with open_house(pipeline_slots=2, poll_interval_s=60) as house:
        await house.ingest(webhook(alert(f"A{n}") for n in range(30)))
        house.history.add_work("late")
        await until(lambda: len(house.publisher.published) >= 2)
        house.history.gate.set()
        # Completing hands out what waits, so that a long poll interval delays nothing.
        await until(lambda: len(house.publisher.published) == 31)


async def test_a_lease_that_runs_out_ends_the_work_silently() -> None:
    async with open_house() as house:
        house.history.lease_s = 0.5
        await until(lambda: len(house.history.lease_sizes) > 3)
        house.classifier.gate.clear()
        await house.ingest(webhook([alert("A")]))
        await until(lambda: house.metric('alerthistory_ingest_work_processed_total{outcome="lease_over"}') >= 1)
        house.history.lease_s = 60
        house.classifier.gate.set()
        await until(lambda: _is_done(house))
        assert _published(house) == ["A"]
        assert house.history.outdated == []


async def test_polling_and_completing_survive_a_history_that_goes_away() -> None:
    async with open_house() as house:
        house.classifier.gate.clear()
        await house.ingest(webhook([alert("A")]))
        await until(lambda: len(house.classifier.events) == 1)
        house.history.is_down = True
        house.classifier.gate.set()
        await until(lambda: house.metric('alerthistory_ingest_stage_failures_total{stage="complete"}') >= 1)
        house.history.is_down = False
        await until(lambda: _is_done(house))
        house.history.add_work("later")
        await until(lambda: _is_done(house))
        assert len(house.publisher.published) == 2


async def test_draining_finishes_what_is_in_the_slots_and_takes_no_more() -> None:
    async with open_house(grace_s=5) as house:
        house.classifier.gate.clear()
        await house.ingest(webhook([alert("A")]))
        await until(lambda: len(house.classifier.events) == 1)
        async with asyncio.TaskGroup() as tasks:
            drain = tasks.create_task(_drain(house))
            await asyncio.sleep(0)
            await house.ingest(webhook([alert("B")]))
            assert house.history.record_calls[-1].lease_capacity == 0
            assert not drain.done()
            house.classifier.gate.set()
        assert _published(house) == ["A"]
        assert [work.event.alert_name for work in house.history.queue] == ["B"]
        assert house.history.released == []


async def test_what_the_grace_does_not_suffice_for_is_given_back_at_once() -> None:
    async with open_house(grace_s=0.3) as house:
        house.classifier.gate.clear()
        await house.ingest(webhook([alert("A"), alert("B")]))
        await until(lambda: len(house.classifier.events) == 2)
        await _drain(house)
        assert sorted(delay for _, delay in house.history.released) == [0.0, 0.0]
        assert (await house.stub.GetStatus(pb.GetStatusRequest())).in_flight == 0
        house.classifier.gate.set()


async def test_leaving_without_a_drain_gives_leases_back_too() -> None:
    async with open_house() as house:
        house.classifier.gate.clear()
        await house.ingest(webhook([alert("A")]))
        await until(lambda: len(house.classifier.events) == 1)
        history = house.history
    assert [delay for _, delay in history.released] == [0.0]


async def test_work_that_comes_after_the_drain_is_given_back() -> None:
    async with open_house(grace_s=0.3) as house:
        await until(lambda: len(house.history.lease_sizes) > 0)
        house.history.gate.clear()
        house.classifier.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.ingest(webhook([alert("A")])))
            await until(lambda: len(house.history.record_calls) == 1)
            assert house.history.record_calls[0].lease_capacity == 1
            await _drain(house)
            house.history.gate.set()
        await until(lambda: [delay for _, delay in house.history.released] == [0.0])
        assert house.classifier.events == []


async def test_an_answer_that_cannot_be_read_does_not_end_the_search_for_work() -> None:
    async with open_house() as house:
        house.history.is_odd = True
        asked = len(house.history.lease_sizes)
        await until(lambda: len(house.history.lease_sizes) > asked + 1)
        house.history.is_odd = False
        house.history.add_work("A")
        await until(lambda: _is_done(house))


async def _drain(house: House) -> None:
    await house.component.drain()
