"""Targets kept fresh: when sources are read, and what is said when they cannot be."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import structlog
from prometheus_client import CollectorRegistry

from alerthistory_common.alerts import Instant
from alerthistory_common.metrics import new_registry
from alerthistory_publisher.application.targets import TargetDirectory, TargetNotFoundError
from alerthistory_publisher.domain.target_sets import Listing, Malformed
from alerthistory_publisher.domain.targets import (
    InvalidTargetsError,
    PublishingMode,
    Target,
    TargetSourceAwayError,
)
from alerthistory_publisher.metrics import PublisherMetrics
from tests.publishers import eventually

NOON = Instant(1_000_000)
WRONG = Malformed(("k: wrong",))
LONG = timedelta(hours=1)
AT_ONCE = timedelta(0)


def target(name: str, *, is_enabled: bool = True) -> Target:
    return Target(name=name, format="webhook", url="https://x.example/s3cret", is_enabled=is_enabled)


class Scripted:
    """A source that says what it is told to."""

    def __init__(self, name: str = "file", *targets: Target) -> None:
        self.name = name
        self.said: Listing | Exception = Listing.of(targets)
        self.reads = 0
        self.gate: asyncio.Event | None = None
        self.hint: Callable[[], None] = lambda: None
        self.watch_error: Exception | None = None

    def say(self, *targets: Target) -> None:
        self.said = Listing.of(targets)

    async def load(self) -> Listing:
        self.reads += 1
        said = self.said
        if self.gate:
            await self.gate.wait()
        if isinstance(said, Exception):
            raise said
        return said

    async def watch(self, hint: Callable[[], None]) -> None:
        self.hint = hint
        if self.watch_error:
            raise self.watch_error
        await asyncio.Event().wait()


@asynccontextmanager
async def kept_fresh(directory: TargetDirectory) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(directory.keep_fresh())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        try:
            yield
        finally:
            keeping.cancel()


def names(directory: TargetDirectory) -> list[str]:
    return [each.name for each in directory.targets]


async def read(source: Scripted, times: int) -> None:
    async def enough() -> bool:
        return source.reads >= times

    await eventually(enough, saying=f"the source was read {times} times")
    await asyncio.sleep(0)


async def test_a_directory_without_sources_publishes_to_nobody_and_misses_nothing() -> None:
    directory = TargetDirectory()
    await directory.refresh(asked_at=NOON)
    assert (directory.targets, directory.mode) == ((), PublishingMode.INTELLIGENT)
    assert not directory.is_kubernetes_available


async def test_sources_that_name_nothing_mean_metrics_only() -> None:
    source = Scripted()
    directory = TargetDirectory(source)
    await directory.refresh()
    modes = [directory.mode]
    source.say(target("a", is_enabled=False))
    await directory.refresh()
    modes.append(directory.mode)
    assert modes == [PublishingMode.METRICS_ONLY, PublishingMode.INTELLIGENT]
    assert directory.enabled() == []
    assert directory.find("a") is None
    assert directory.get("a").name == "a"
    with pytest.raises(TargetNotFoundError):
        directory.get("b")


async def test_a_refresh_that_fails_says_why_and_has_the_other_sources_fresh() -> None:
    file, mounted = Scripted("file", target("a")), Scripted("directory", target("b"))
    directory = TargetDirectory(file, mounted)
    await directory.refresh(asked_at=NOON)
    file.said = InvalidTargetsError(["one", "two"])
    mounted.say(target("c"))
    with pytest.raises(InvalidTargetsError) as raised:
        await directory.refresh(asked_at=Instant(2_000_000))
    assert raised.value.problems == ["one", "two"]
    assert names(directory) == ["a", "c"]
    file.say(target("a"))
    await directory.refresh()
    assert directory.refreshed_at == NOON


async def test_a_malformed_entry_fails_no_refresh() -> None:
    source = Scripted("directory")
    source.said = Listing({"k": WRONG, "m": target("a")})
    directory = TargetDirectory(source)
    await directory.refresh(asked_at=NOON)
    assert directory.problems == (("directory", "k: wrong"),)
    assert directory.refreshed_at == NOON


async def test_only_what_somebody_must_mend_is_told_at_the_start() -> None:
    file, mounted, cluster = Scripted("file"), Scripted("directory"), Scripted("kubernetes")
    file.said = InvalidTargetsError(["one", "two"])
    mounted.said = Listing({"k": WRONG})
    cluster.said = TargetSourceAwayError("away")
    directory = TargetDirectory(file, mounted, cluster)
    assert await directory.start() == (("file", "one"), ("file", "two"))
    assert len(directory.problems) == 4


async def test_kubernetes_is_available_while_it_can_be_read() -> None:
    cluster = Scripted("kubernetes")
    directory = TargetDirectory(Scripted(), cluster)
    found = [directory.is_kubernetes_available]
    await directory.start()
    found.append(directory.is_kubernetes_available)
    cluster.said = TargetSourceAwayError("away")
    with pytest.raises(InvalidTargetsError, match="away"):
        await directory.refresh()
    found.append(directory.is_kubernetes_available)
    assert found == [False, True, False]


async def test_a_source_with_a_defect_takes_nothing_away() -> None:
    source = Scripted("file", target("a"))
    directory = TargetDirectory(source)
    await directory.refresh()
    source.said = LookupError("s3cret")
    with pytest.raises(InvalidTargetsError) as raised:
        await directory.refresh()
    assert raised.value.problems == ["LookupError while it was read"]
    assert names(directory) == ["a"]


async def test_sources_are_read_from_time_to_time() -> None:
    source = Scripted()
    async with kept_fresh(TargetDirectory(source, every=timedelta(milliseconds=10))):
        await read(source, 3)


async def test_hints_are_gathered_and_then_heeded() -> None:
    source, other = Scripted("file"), Scripted("directory")
    directory = TargetDirectory(source, other, every=LONG, settle=timedelta(milliseconds=50))
    async with kept_fresh(directory):
        for _ in range(5):
            source.hint()
            await asyncio.sleep(0.002)
        assert source.reads == 0
        await read(source, 1)
        await asyncio.sleep(0.1)
        assert (source.reads, other.reads) == (1, 0)
        directory.hint()
        await read(other, 1)
        await read(source, 2)


async def test_a_hint_during_a_read_is_not_lost() -> None:
    source = Scripted()
    directory = TargetDirectory(source, every=LONG, settle=AT_ONCE)
    async with kept_fresh(directory):
        source.gate = asyncio.Event()
        source.hint()
        await read(source, 1)
        source.say(target("a"))
        source.hint()
        source.gate.set()
        await read(source, 2)
        await asyncio.sleep(0.01)
        assert names(directory) == ["a"]


async def test_after_a_failure_the_pause_grows_and_hints_do_not_shorten_it() -> None:
    source = Scripted()
    source.said = TargetSourceAwayError("away", retry_after=AT_ONCE)
    asked: list[int] = []

    def backoff(failures: int) -> timedelta:
        asked.append(failures)
        return timedelta(0) if failures < 3 else LONG

    directory = TargetDirectory(source, every=LONG, settle=AT_ONCE, backoff=backoff)
    await directory.start()
    async with kept_fresh(directory):
        await read(source, 3)
        source.hint()
        await asyncio.sleep(0.05)
        assert (source.reads, asked) == (3, [1, 2, 3])


async def test_the_pause_is_what_a_source_asks_for_and_else_no_longer_than_the_period() -> None:
    asking, failing = Scripted("kubernetes"), Scripted("file")
    asking.said = TargetSourceAwayError("away", retry_after=LONG)
    failing.said = InvalidTargetsError(["wrong"])
    directory = TargetDirectory(asking, failing, every=timedelta(milliseconds=5), backoff=lambda _: LONG)
    await directory.start()
    async with kept_fresh(directory):
        await read(failing, 3)
        assert asking.reads == 1


async def test_an_older_reading_never_replaces_a_newer_one() -> None:
    source = Scripted("file", target("old"))
    source.gate = asyncio.Event()
    directory = TargetDirectory(source)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(directory.refresh())
        await read(source, 1)
        source.say(target("new"))
        tasks.create_task(directory.refresh())
        await asyncio.sleep(0)
        source.gate.set()
    assert names(directory) == ["new"]


async def test_a_watch_that_breaks_does_not_end_the_reading() -> None:
    source = Scripted()
    source.watch_error = LookupError("broken")
    async with kept_fresh(TargetDirectory(source, every=timedelta(milliseconds=10))):
        await read(source, 2)


async def test_others_hear_of_a_refresh_that_is_asked_for_and_of_no_other() -> None:
    told: list[None] = []
    source = Scripted()
    directory = TargetDirectory(source, every=timedelta(milliseconds=10))
    directory.also(lambda: told.append(None))
    await directory.start()
    async with kept_fresh(directory):
        await read(source, 3)
    assert told == []
    await directory.refresh(asked_at=NOON)
    assert told == [None]


async def test_changes_and_problems_are_logged_once_and_without_a_secret() -> None:
    source = Scripted("file", target("a"), target("b"))
    directory = TargetDirectory(source)
    with structlog.testing.capture_logs() as lines:
        await directory.refresh()
        await directory.refresh()
        source.said = Listing({"a": target("a", is_enabled=False), "c": target("c"), "k": WRONG})
        await directory.refresh()
        await directory.refresh()
        source.say(target("a", is_enabled=False), target("c"))
        await directory.refresh()
    assert [{key: value for key, value in line.items() if key != "log_level"} for line in lines] == [
        {"event": "targets changed", "added": ["a", "b"], "changed": [], "removed": []},
        {"event": "targets changed", "added": ["c"], "changed": ["a"], "removed": ["b"]},
        {"event": "a problem with targets, those in force stay", "source": "file", "problem": "k: wrong"},
        {"event": "a problem with targets is gone", "source": "file", "problem": "k: wrong"},
    ]


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"alerthistory_publisher_{name}", labels)


async def test_readings_and_problems_are_counted() -> None:
    registry = new_registry()
    file, cluster = Scripted("file"), Scripted("kubernetes")
    directory = TargetDirectory(file, cluster, metrics=PublisherMetrics(registry))
    await directory.start()
    file.said = InvalidTargetsError(["one", "two"])
    cluster.said = TargetSourceAwayError("away")
    await directory.start()
    assert value(registry, "target_problems") == 3
    assert value(registry, "target_refreshes_total", source="file", outcome="read") == 1
    assert value(registry, "target_refreshes_total", source="file", outcome="invalid") == 1
    assert value(registry, "target_refreshes_total", source="kubernetes", outcome="away") == 1
    assert (value(registry, "targets_refreshed_timestamp_seconds", source="file") or 0) > 1e9
    file.say()
    cluster.say()
    await directory.start()
    assert value(registry, "target_problems") == 0
