"""The enrichment mode in a real Redis: shared, in the legacy form, and not missed when Redis is away."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis
from sqlalchemy import URL

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_common.settings import CommonSettings
from tests.integration.classifier.harness import Classifier, running
from tests.processes import short_folder
from tests.publishers import eventually
from tests.redis_server import start_redis, stop_redis

KEY = "enrichment:mode"
ENRICHED, TRANSPARENT = pb.ENRICHMENT_MODE_ENRICHED, pb.ENRICHMENT_MODE_TRANSPARENT


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return the folder of a Redis that runs."""
    with short_folder() as folder:
        start_redis(folder)
        yield folder
        stop_redis(folder)


@pytest.fixture
def server(folder: Path) -> Iterator[redis.Redis]:
    """Return a client of the Redis."""
    with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as client:
        yield client


@asynccontextmanager
async def sharing(store: URL, folder: Path) -> AsyncIterator[Classifier]:
    """Yield a classifier that shares its mode in the Redis in *folder*."""
    common = CommonSettings(drain_grace_s=2, redis_url=f"unix://{folder}/redis.sock")
    async with running(store, common=common) as classifier:
        yield classifier


async def _set(classifier: Classifier, mode: pb.EnrichmentMode.ValueType) -> str:
    answer = await classifier.service.SetMode(pb.SetModeRequest(mode=mode), timeout=10)
    return pb.ModeSource.Name(answer.source)[12:]


async def test_a_mode_that_is_set_is_kept_in_the_legacy_form(store: URL, folder: Path, server: redis.Redis) -> None:
    async with sharing(store, folder) as classifier:
        assert await classifier.mode() == ("ENRICHED", "DEFAULT")
        assert await _set(classifier, TRANSPARENT) == "REDIS"
        assert await classifier.mode() == ("TRANSPARENT", "REDIS")
    assert server.get(KEY) == b'{"mode": "transparent"}'
    assert server.ttl(KEY) == -1


async def test_what_one_replica_sets_all_see(store: URL, folder: Path) -> None:
    async with sharing(store, folder) as one, sharing(store, folder) as other:
        assert await other.mode() == ("ENRICHED", "DEFAULT")
        await _set(one, TRANSPARENT)
        await eventually(lambda: _is(other, "TRANSPARENT", "REDIS"), within_s=1, saying="the mode is told")


@pytest.mark.parametrize("value", ['{"mode": "transparent"}', '"transparent"', '{"mode": "transparent", "by": "ops"}'])
async def test_what_the_older_service_wrote_counts(
    store: URL,
    folder: Path,
    server: redis.Redis,
    value: str,
) -> None:
    server.set(KEY, value)
    async with sharing(store, folder) as classifier:
        assert await classifier.mode() == ("TRANSPARENT", "REDIS")


@pytest.mark.parametrize("value", ["", "transparent", '{"mode": "loud"}', "[1]", "null", "{" * 100_000, b"\xff\xfe"])
async def test_a_value_that_cannot_be_used_is_passed_over(
    store: URL,
    folder: Path,
    server: redis.Redis,
    value: str | bytes,
) -> None:
    server.set(KEY, value)
    async with sharing(store, folder) as classifier:
        assert await classifier.mode() == ("ENRICHED", "DEFAULT")


async def test_without_redis_the_mode_is_kept_and_shared_once_it_is_back(store: URL, folder: Path) -> None:
    async with sharing(store, folder) as classifier:
        await _set(classifier, ENRICHED)
        stop_redis(folder)
        assert await _set(classifier, TRANSPARENT) == "MEMORY"
        assert await classifier.mode() == ("TRANSPARENT", "MEMORY")
        assert not (await classifier.service.GetStatus(pb.GetStatusRequest(), timeout=10)).redis.is_available
        start_redis(folder)
        await eventually(lambda: _is(classifier, "TRANSPARENT", "REDIS"), saying="the mode is told")
    with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as server:
        assert server.get(KEY) == b'{"mode": "transparent"}'


async def test_a_redis_that_forgot_is_told_again(store: URL, folder: Path, server: redis.Redis) -> None:
    async with sharing(store, folder) as classifier:
        await _set(classifier, TRANSPARENT)
        server.flushall()
        await eventually(lambda: _told(server, classifier), saying="the mode is told")
        assert await classifier.mode() == ("TRANSPARENT", "REDIS")


async def test_the_status_says_how_redis_is(store: URL, folder: Path) -> None:
    async with sharing(store, folder) as classifier:
        status = await classifier.service.GetStatus(pb.GetStatusRequest(), timeout=10)
        assert status.redis.is_available
        assert status.redis.response_time.ToMicroseconds() > 0
    async with running(store) as alone:
        assert not (await alone.service.GetStatus(pb.GetStatusRequest(), timeout=10)).HasField("redis")


async def _is(classifier: Classifier, mode: str, source: str) -> bool:
    return await classifier.mode() == (mode, source)


async def _told(server: redis.Redis, classifier: Classifier) -> bool:
    await classifier.mode()
    return server.get(KEY) is not None
