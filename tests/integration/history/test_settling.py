"""Time passing: holds, leases, silences; and outages."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from sqlalchemy import URL, create_engine, text

from alerthistory_common import alert_codec
from tests.integration.history.harness import History, at, eventually, firing, resolved, running


async def _until_kinds(history: History, *kinds: str) -> None:
    async def have_come() -> bool:
        return await history.kinds() == list(kinds)

    await eventually(have_come)


async def test_a_hold_that_is_not_taken_back_fires_again(history: History) -> None:
    assert await history.decisions(firing(), resolved(), firing(received_s=2)) == ["fired", "resolved", "held"]
    history.clock.advance(31)

    # Due at 32; nothing may happen before.
    await history.complete(*await history.lease())
    await history.complete(*await history.lease())
    assert await history.lease() == []
    history.clock.advance(1)
    await _until_kinds(history, "fired", "resolved", "refired")
    (work,) = await history.lease()
    assert alert_codec.kind(work.event.kind).value == "refired"
    assert (await history.alert("a")).is_firing
    assert history.metric('alerthistory_history_settled_total{kind="refired"}') == 1


async def test_a_hold_that_its_sender_takes_back_does_not_fire(history: History) -> None:
    await history.record(firing(), resolved(), firing(received_s=2))
    assert await history.decisions(resolved(end_s=3, received_s=3)) == ["hold_cancelled"]

    history.clock.advance(3600)
    await history.record(firing("b", start_s=3500, received_s=3600), firing("b", 3500, 3601, lease_expires_at=at(1)))
    assert await history.kinds("a") == ["fired", "resolved"]


async def test_a_lease_that_is_not_renewed_expires_after_a_grace(history: History) -> None:
    await history.record(firing(lease_expires_at=at(240)))
    await history.complete(*await history.lease())
    history.clock.advance(299)
    await history.record(firing("witness"))
    assert (await history.alert("a")).is_firing

    history.clock.advance(1)
    await _until_kinds(history, "fired", "fired", "expired")
    alert = await history.alert("a")
    assert not alert.is_firing
    assert alert_codec.instant(alert.ends_at) == at(300)
    assert [work.event.fingerprint for work in await history.lease()] == ["witness", "a"]


async def test_a_renewed_lease_does_not_expire(history: History) -> None:
    await history.record(firing(lease_expires_at=at(240)))
    await history.record(firing(received_s=60, lease_expires_at=at(300)))
    await history.record(firing("b", lease_expires_at=at(0)))
    history.clock.advance(300)

    await _until_kinds(history, "fired", "fired", "expired")
    assert (await history.alert("a")).is_firing


async def test_an_alert_that_is_no_longer_repeated_goes_stale_and_stays_firing(history: History) -> None:
    await history.record(firing())
    history.clock.advance(29_100)

    await _until_kinds(history, "fired", "went_stale")
    alert = await history.alert("a")
    assert (alert.is_firing, alert.is_stale) == (True, True)
    await history.complete(*await history.lease())
    assert await history.lease() == []

    await history.record(firing(received_s=29_101))
    assert not (await history.alert("a")).is_stale


async def test_many_due_alerts_are_settled_at_once(migrated_url: URL) -> None:
    async with running(migrated_url, settle_interval_s=0.5) as history:
        await history.record(*(firing(f"fp-{number}", lease_expires_at=at(1)) for number in range(1200)))
        history.clock.advance(3600)

        async def all_are_over() -> bool:
            return (await history.status()).firing_alerts == 0

        await eventually(all_are_over)
        assert (await history.status()).events == 2400


async def test_two_replicas_settle_an_alert_once(history: History, migrated_url: URL) -> None:
    async with running(migrated_url, history.clock):
        await history.record(*(firing(f"fp-{number}", lease_expires_at=at(1)) for number in range(100)))
        history.clock.advance(3600)

        async def all_are_over() -> bool:
            return (await history.status()).firing_alerts == 0

        await eventually(all_are_over)
    assert sorted(await history.kinds()) == ["expired"] * 100 + ["fired"] * 100


async def test_windows_are_settings(migrated_url: URL) -> None:
    async with running(migrated_url, hold_window_s=1, lease_grace_s=0, stale_after_s=10) as history:
        await history.record(
            firing("a"), resolved("a"), firing("a", 0, 2), firing("b", lease_expires_at=at(5)), firing("c")
        )
        history.clock.advance(10)

        async def all_came() -> bool:
            return len(await history.kinds()) == 7

        await eventually(all_came)
        assert (await history.kinds("a"))[2:] == ["refired"]
        assert (await history.kinds("b"))[1:] == ["expired"]
        assert (await history.kinds("c"))[1:] == ["went_stale"]


async def test_alerts_kept_under_other_windows_are_settled_by_the_new_ones(migrated_url: URL) -> None:
    async with running(migrated_url, stale_after_s=10) as before:
        await before.record(firing())
    async with running(migrated_url, stale_after_s=20) as history:
        history.clock.advance(10)
        await history.record(firing("b", 10, 10, lease_expires_at=at(-60)))
        await _until_kinds(history, "fired", "fired", "expired")
        history.clock.advance(10)
        await _until_kinds(history, "fired", "fired", "expired", "went_stale")


async def test_settling_goes_on_after_an_outage_of_the_database(history: History, migrated_url: URL) -> None:
    await history.record(firing(lease_expires_at=at(1)))
    with _outage(migrated_url):
        history.clock.advance(3600)
        await eventually(lambda: _is_refused(history))

    await _until_kinds(history, "fired", "expired")


async def _is_refused(history: History) -> bool:
    try:
        await history.record(firing())
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE
    return False


@contextmanager
def _outage(url: URL) -> Iterator[None]:
    """Let the database be away: PostgreSQL cuts and refuses every connection, SQLite misses its tables."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url.set(drivername="sqlite"), isolation_level="AUTOCOMMIT")
        away, back = ["ALTER TABLE alerts RENAME TO away"], ["ALTER TABLE away RENAME TO alerts"]
    else:
        engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        away = [
            f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false',
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'",
        ]
        back = [f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true']
    try:
        with engine.connect() as connection:
            for statement in away:
                connection.execute(text(statement))
        yield
        with engine.connect() as connection:
            for statement in back:
                connection.execute(text(statement))
    finally:
        engine.dispose()
