"""Claims: leased, fenced, in order; and what a worker that dies leaves behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import URL, update

from alerthistory_common import migrate
from alerthistory_common.alerts import EventKind, Fingerprint, Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.database import open_database
from alerthistory_common.errors import StoreUnavailableError
from alerthistory_common.metrics import new_registry
from alerthistory_common.telemetry import disabled
from alerthistory_publisher.adapters.figures import SqlFigures
from alerthistory_publisher.adapters.http_sender import open_sender
from alerthistory_publisher.adapters.rate_limits import MovingWindows
from alerthistory_publisher.adapters.store import SqlDeliveryStore
from alerthistory_publisher.adapters.tables import deliveries
from alerthistory_publisher.app import MIGRATIONS, SCHEMA
from alerthistory_publisher.application.couriers import Courier
from alerthistory_publisher.application.dispatch import Dispatcher
from alerthistory_publisher.application.lanes import Lanes, breaker_rules
from alerthistory_publisher.application.pauses import Pauses
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.application.upkeep import Upkeep
from alerthistory_publisher.domain.decisions import Beginning
from alerthistory_publisher.domain.deliveries import (
    Claim,
    Delivery,
    DeliveryFilter,
    DeliveryState,
    Figures,
    Order,
    Publication,
)
from alerthistory_publisher.domain.destinations import Destinations, networks_of
from alerthistory_publisher.domain.outcomes import Outcome, Result, Step, later
from alerthistory_publisher.domain.target_sets import Listing
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import Advance, Room
from tests.events import FIRED_AT, event, verdict
from tests.fakes.receiver import Receiver
from tests.publishers import eventually

LEASE = timedelta(seconds=25)
LOCAL = Destinations(networks_of("127.0.0.0/8"))
DONE = Step(state=DeliveryState.DELIVERED, outcome=Outcome.DELIVERED, result="HTTP 200", status=200)


@pytest.fixture
async def store(store_url: URL) -> AsyncIterator[SqlDeliveryStore]:
    """Return an empty store."""
    await asyncio.to_thread(migrate.upgrade, store_url, schema=SCHEMA, scripts=MIGRATIONS)
    async with open_database(store_url, schema=SCHEMA) as database:
        yield SqlDeliveryStore(database)


def order(event_id: str = "1", *, target: str = "ops", fingerprint: str = "a", at: Instant = FIRED_AT) -> Order:
    told = event(event_id=event_id, fingerprint=Fingerprint(fingerprint), kind=EventKind.REFIRED, labels_json=b"\xff{")
    publication = Publication(event=told, verdict=verdict())
    give_up_at = later(at, timedelta(days=1))
    return Order(publication=publication, target=target, ordered_at=at, due_at=at, give_up_at=give_up_at)


def lanes() -> Lanes:
    return Lanes(concurrency=8, ahead=8, rules=breaker_rules(open_s=30))


async def claim(store: SqlDeliveryStore, *, slots: int = 8, now: Instant = FIRED_AT) -> list[Claim]:
    room = Room(target="ops", slots=slots, leased_until=later(now, LEASE))
    return list((await store.advance((), [room], now=now)).claims)


async def record(store: SqlDeliveryStore, claimed: Claim, step: Step) -> bool:
    return claimed.delivery_id in (await store.advance([Result(claimed, step)], (), now=FIRED_AT)).held


async def test_a_claim_gives_back_what_was_ordered(store: SqlDeliveryStore) -> None:
    await store.order([order()])
    (found,) = await claim(store)
    assert found.publication == order().publication
    assert (found.attempt, found.ordered_at) == (1, FIRED_AT)


async def test_a_claimed_delivery_is_not_claimed_again_before_its_lease_ends(store: SqlDeliveryStore) -> None:
    await store.order([order()])
    (first,) = await claim(store)
    assert await claim(store, now=later(FIRED_AT, LEASE - timedelta(seconds=1))) == []
    (second,) = await claim(store, now=later(FIRED_AT, LEASE))
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.webhook_id == second.webhook_id


async def test_a_late_result_is_fenced_off(store: SqlDeliveryStore) -> None:
    await store.order([order()])
    (stalled,) = await claim(store)
    (current,) = await claim(store, now=later(FIRED_AT, LEASE))
    dead = Step(state=DeliveryState.DEAD, outcome=Outcome.PERMANENT, result="HTTP 400", status=400)
    assert not await record(store, stalled, dead)
    assert await record(store, current, DONE)
    assert not await record(store, stalled, dead)
    (delivery,) = await store.list_page(DeliveryFilter(), limit=9, before=None)
    assert delivery.state is DeliveryState.DELIVERED


async def test_claims_stay_in_order_per_target_and_alert(store: SqlDeliveryStore) -> None:
    await store.order([order("1"), order("2"), order("3", fingerprint="b"), order("4", target="other")])
    first = await claim(store)
    assert {each.publication.event.event_id for each in first} == {"1", "3"}
    assert await claim(store) == []
    (blocking,) = [each for each in first if each.publication.event.event_id == "1"]
    await record(store, blocking, DONE)
    assert [each.publication.event.event_id for each in await claim(store)] == ["2"]


async def test_workers_that_claim_at_once_share_the_deliveries(store: SqlDeliveryStore) -> None:
    await store.order([order(f"{n}", fingerprint=f"{n}") for n in range(40)])
    shares = await asyncio.gather(*[claim(store, slots=10) for _ in range(6)])
    claimed = [each.delivery_id for share in shares for each in share]
    assert len(claimed) == len(set(claimed))
    rest = [each.delivery_id for each in await claim(store, slots=40)]
    assert len({*claimed, *rest}) == 40
    assert all(len(share) <= 10 for share in shares)


async def test_what_waits_for_no_target_is_buried_when_old(store: SqlDeliveryStore) -> None:
    await store.order([order("1"), order("2", target="gone")])
    assert await store.bury(["ops"], now=FIRED_AT) == 0
    assert await store.bury(["ops"], now=later(FIRED_AT, timedelta(days=2))) == 1
    (dead,) = await store.list_page(DeliveryFilter(state=DeliveryState.DEAD), limit=9, before=None)
    assert dead.target == "gone"


async def test_an_unreadable_delivery_holds_up_no_other_and_is_given_up(
    store: SqlDeliveryStore, store_url: URL
) -> None:
    await store.order([order("1"), order("2", fingerprint="b"), order("3")])
    async with open_database(store_url, schema=SCHEMA) as database:
        spoil = update(deliveries).where(deliveries.c.event_id == "1").values(content=b'{"event":{"of":"tomorrow"}}')
        await database.write(lambda connection: connection.execute(spoil))
    assert [each.publication.event.event_id for each in await claim(store)] == ["2"]
    too_late = later(FIRED_AT, timedelta(days=2))
    assert [each.publication.event.event_id for each in await claim(store, now=too_late)] == ["2"]
    (dead,) = await store.list_page(DeliveryFilter(state=DeliveryState.DEAD), limit=9, before=None)
    assert dead.event_id == "1"
    assert [each.publication.event.event_id for each in await claim(store, now=too_late)] == ["3"]


class Away(SqlDeliveryStore):
    """A store that takes no results until it is told to."""

    refused = 0
    is_away = True

    async def advance(self, results: Sequence[Result], rooms: Sequence[Room], *, now: Instant) -> Advance:
        """Record results and claim, or fail."""
        if self.is_away and results:
            self.refused += 1
            raise StoreUnavailableError("away")
        return await super().advance(results, rooms, now=now)


async def test_a_result_that_waits_for_the_database_is_not_sent_again(store_url: URL, ops: Receiver) -> None:
    await asyncio.to_thread(migrate.upgrade, store_url, schema=SCHEMA, scripts=MIGRATIONS)
    async with (
        open_database(store_url, schema=SCHEMA) as database,
        open_sender(disabled(), LOCAL, allows_http=True) as sender,
    ):
        store, clock = Away(database), Ahead(timedelta(0))
        directory = TargetDirectory(Given(ops))
        await directory.refresh()
        dispatcher = Dispatcher(
            store,
            Courier(sender, clock),
            directory,
            clock=clock,
            metrics=PublisherMetrics(new_registry()),
            pauses=Pauses(clock),
            limits=MovingWindows(None),
            lanes=lanes(),
            backoff=lambda _: timedelta(0),
        )
        told = Publication(event=event())
        now = clock.now()
        await store.order(
            [
                Order(
                    publication=told, target="ops", ordered_at=now, due_at=now, give_up_at=later(now, timedelta(days=1))
                )
            ]
        )

        async def is_waiting() -> bool:
            return store.refused >= 3

        async def is_recorded() -> list[Delivery]:
            return await store.list_page(DeliveryFilter(state=DeliveryState.DELIVERED), limit=9, before=None)

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dispatcher.run())
            await eventually(lambda: _has_come(ops), saying="the delivery was sent")
            clock.ahead = LEASE + timedelta(seconds=1)
            await eventually(is_waiting, saying="the result waits")
            store.is_away = False
            await eventually(is_recorded, saying="the result is recorded")
            running.cancel()
    assert len(ops.requests) == 1


async def _has_come(receiver: Receiver) -> bool:
    return bool(receiver.requests)


class Broken(SqlFigures):
    """Figures with a defect."""

    asked = 0

    async def figures(self) -> Figures:
        """Break."""
        self.asked += 1
        raise LookupError("broken")


async def test_upkeep_survives_a_defect(store_url: URL, ops: Receiver) -> None:
    await asyncio.to_thread(migrate.upgrade, store_url, schema=SCHEMA, scripts=MIGRATIONS)
    async with open_database(store_url, schema=SCHEMA) as database, asyncio.TaskGroup() as tasks:
        store, figures, metrics = SqlDeliveryStore(database), Broken(database), PublisherMetrics(new_registry())
        upkeep = Upkeep(store, figures, TargetDirectory(Given(ops)), lanes(), clock=SystemClock(), metrics=metrics)
        keeping = tasks.create_task(upkeep.run())

        async def is_asked() -> bool:
            return figures.asked > 0

        await eventually(is_asked, saying="upkeep looked")
        await asyncio.sleep(0)
        assert not keeping.done()
        keeping.cancel()


class Forgetful(SqlDeliveryStore):
    """A store whose worker dies before the result is recorded."""

    async def advance(self, results: Sequence[Result], rooms: Sequence[Room], *, now: Instant) -> Advance:
        """Never return with results."""
        if results:
            await asyncio.Event().wait()
        return await super().advance(results, rooms, now=now)


async def test_a_worker_killed_between_send_and_record_costs_one_repetition(store_url: URL, ops: Receiver) -> None:
    await asyncio.to_thread(migrate.upgrade, store_url, schema=SCHEMA, scripts=MIGRATIONS)
    async with (
        open_database(store_url, schema=SCHEMA) as database,
        open_sender(disabled(), LOCAL, allows_http=True) as sender,
    ):
        store = SqlDeliveryStore(database)

        def dispatcher(over: SqlDeliveryStore, *, ahead: timedelta = timedelta(0)) -> Dispatcher:
            directory = TargetDirectory(Given(ops))
            directory.targets = (Target(name="ops", format="webhook", url=ops.url),)
            return Dispatcher(
                over,
                Courier(sender, Ahead(ahead)),
                directory,
                clock=Ahead(ahead),
                metrics=PublisherMetrics(new_registry()),
                pauses=Pauses(SystemClock()),
                limits=MovingWindows(None),
                lanes=lanes(),
                backoff=lambda _: timedelta(0),
            )

        told = Publication(event=event())
        now = SystemClock().now()
        give_up_at = later(now, timedelta(days=1))
        await store.order([Order(publication=told, target="ops", ordered_at=now, due_at=now, give_up_at=give_up_at)])
        await _run_until_received(dispatcher(Forgetful(database)), ops, count=1)
        (left,) = await store.list_page(DeliveryFilter(), limit=9, before=None)
        assert left.state is DeliveryState.PENDING
        await _run_until_received(dispatcher(store, ahead=LEASE + timedelta(seconds=1)), ops, count=2)
    assert len({request.headers["webhook-id"] for request in ops.requests}) == 1


class Given:
    """A source of one target."""

    name = "given"

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def load(self) -> Listing:
        """Return the target."""
        return Listing.of([Target(name="ops", format="webhook", url=self._receiver.url)])

    async def watch(self, hint: Callable[[], None]) -> None:
        """Never hint."""


class Ahead:
    """The machine's clock, set forward."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def now(self) -> Instant:
        """Return the moment."""
        return later(SystemClock().now(), self.ahead)


async def _run_until_received(dispatcher: Dispatcher, receiver: Receiver, *, count: int) -> None:
    async def enough() -> bool:
        return len(receiver.requests) >= count

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(dispatcher.run())
        await eventually(enough, saying=f"{count} requests came")
        await asyncio.sleep(0)
        running.cancel()


async def test_old_deliveries_go_but_not_what_waits_nor_the_last_word_of_a_beginning(store: SqlDeliveryStore) -> None:
    await store.order([order("1"), order("2", fingerprint="b"), order("3", target="pager")])
    for each in await claim(store):
        assert await record(store, each, replace(DONE, delivered_at=FIRED_AT))
    await store.order([order("4")])

    assert await store.delete_before(later(FIRED_AT, timedelta(days=1)), 10) == 1
    assert await store.delete_before(later(FIRED_AT, timedelta(days=1)), 10) == 0

    left = await store.list_page(DeliveryFilter(), limit=10, before=None)
    assert {each.event_id for each in left} == {"2", "3", "4"}


async def test_young_deliveries_stay(store: SqlDeliveryStore) -> None:
    await store.order([order("1")])
    for each in await claim(store):
        assert await record(store, each, replace(DONE, delivered_at=FIRED_AT))
    await store.order([order("2")])

    assert await store.delete_before(FIRED_AT, 10) == 0


def held(event_id: str, *, until: Instant) -> Order:
    return replace(order(event_id), due_at=until, decision="deduplication_window: told a moment ago")


def end(event_id: str, *, supersedes: int | None = None) -> Order:
    over = order(event_id)
    told = Publication(event=event(event_id=event_id, fingerprint=Fingerprint("a"), kind=EventKind.RESOLVED))
    state = DeliveryState.PENDING if supersedes is None else DeliveryState.SUPERSEDED
    return replace(over, publication=told, state=state, supersedes=supersedes, decision="beginning: it ended before")


async def states(store: SqlDeliveryStore) -> list[DeliveryState]:
    return [each.state for each in await store.list_page(DeliveryFilter(), limit=9, before=None)]


async def beginning(store: SqlDeliveryStore) -> Beginning:
    told = end("?").publication.event
    return (await store.past([(told, "ops")])).beginnings[told.fingerprint, "ops"]


async def test_what_nobody_has_had_is_superseded_with_its_end(store: SqlDeliveryStore) -> None:
    until = later(FIRED_AT, timedelta(minutes=5))
    await store.order([held("1", until=until)])
    found = await beginning(store)
    assert (found.is_held, found.due_at) == (True, until)
    assert await claim(store) == []
    await store.order([end("2", supersedes=found.delivery_id)])
    assert await states(store) == [DeliveryState.SUPERSEDED] * 2
    assert await claim(store, now=until) == []
    assert (await beginning(store)).due_at == until


async def test_the_end_of_what_a_worker_has_had_is_told_after_it(store: SqlDeliveryStore) -> None:
    until = later(FIRED_AT, timedelta(minutes=5))
    await store.order([held("1", until=until)])
    found = await beginning(store)
    (taken,) = await claim(store, now=until)
    assert not (await beginning(store)).is_held
    await store.order([end("2", supersedes=found.delivery_id)])
    assert await states(store) == [DeliveryState.PENDING] * 2
    assert await claim(store, now=until) == []
    await record(store, taken, DONE)
    assert [each.publication.event.event_id for each in await claim(store, now=until)] == ["2"]


async def test_an_end_knows_what_its_beginning_made_at_the_receiver(store: SqlDeliveryStore) -> None:
    room = Room(target="ops", slots=8, leased_until=later(FIRED_AT, LEASE), is_threaded=True)
    await store.order([order("1"), end("2"), order("3", fingerprint="b")])
    for each in (await store.advance((), [room], now=FIRED_AT)).claims:
        assert each.thread == ""
        await record(store, each, replace(DONE, receipt=f"ts-{each.publication.event.event_id}"))
    await store.order([order("4")])
    (told,) = (await store.advance((), [room], now=FIRED_AT)).claims
    assert (told.publication.event.event_id, told.thread) == ("2", "ts-1")


async def test_an_end_is_not_put_under_an_earlier_beginning(store: SqlDeliveryStore) -> None:
    room = Room(target="ops", slots=8, leased_until=later(FIRED_AT, LEASE), is_threaded=True)
    dead = Step(state=DeliveryState.DEAD, outcome=Outcome.PERMANENT, result="HTTP 400", status=400)
    await store.order([order("1"), end("2"), order("3"), end("4")])
    for step in (replace(DONE, receipt="ts-1"), DONE, dead):
        (each,) = (await store.advance((), [room], now=FIRED_AT)).claims
        await record(store, each, step)
    (told,) = (await store.advance((), [room], now=FIRED_AT)).claims
    assert (told.publication.event.event_id, told.thread) == ("4", "")


async def test_a_claim_that_is_handed_back_is_no_attempt_and_fences_all_the_same(store: SqlDeliveryStore) -> None:
    await store.order([order()])
    (first,) = await claim(store)
    waits = Step(
        state=DeliveryState.PENDING, outcome=Outcome.TRANSIENT, result="waits", due_at=FIRED_AT, is_attempt=False
    )
    assert await record(store, first, waits)
    (second,) = await claim(store)
    assert (second.attempt, second.fence) == (1, 2)
    assert not await record(store, first, DONE)
    assert await record(store, second, DONE)
