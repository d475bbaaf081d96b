"""One answer for all alerts of a kind, on all replicas."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import URL

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_common import alert_codec
from alerthistory_common.alerts import AlertEvent
from alerthistory_common.settings import CommonSettings
from tests.events import event
from tests.fakes.llm import answering, base_of, opinion
from tests.fakes.receiver import Receiver, Reply, receiver
from tests.integration.classifier.harness import Classifier, running
from tests.processes import short_folder
from tests.redis_server import start_redis, stop_redis

_TEMPLATES = 50
_ALERTS = 10_000
_BATCH = 100


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return the folder of a Redis that runs."""
    with short_folder() as folder:
        start_redis(folder)
        yield folder
        stop_redis(folder)


@asynccontextmanager
async def replicas(store: URL, folder: Path | None) -> AsyncIterator[tuple[list[Classifier], Receiver]]:
    """Yield three classifiers that share one store, one model and the Redis in *folder*, and the model."""
    redis_url = "" if folder is None else f"unix://{folder}/redis.sock"
    common = CommonSettings(drain_grace_s=2, redis_url=redis_url)
    async with AsyncExitStack() as stack:
        llm = await stack.enter_async_context(receiver())
        llm.usual = answering(opinion())
        settings = {"llm_url": base_of(llm), "llm_model": "m", "llm_form": "json_schema", "llm_wait_s": 20}
        found = [await stack.enter_async_context(running(store, common, **settings)) for _ in range(3)]
        yield found, llm


def alerts() -> list[AlertEvent]:
    """Return alerts of few kinds that differ in generated names, addresses, times and numbers."""
    random = Random(50)
    return [_alert(number, random) for number in range(_ALERTS)]


def _alert(number: int, random: Random) -> AlertEvent:
    kind = number % _TEMPLATES
    pod = "".join(random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
    return event(
        fingerprint=f"{number:016x}",
        labels={
            "alertname": f"Kind{kind}",
            "severity": ("warning", "info")[kind % 2],
            "namespace": ("prod", "dev", "shop")[kind % 3],
            "pod": f"api-{random.choice(('7d4b9c6f5d', '6c8f7b5d4f'))}-{pod}",
            "instance": f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}:9100",
            "uid": str(UUID(int=random.getrandbits(128))),
        },
        annotations={
            "summary": f"Queue of kind {kind} holds {random.randrange(10**6)} messages for {random.randrange(90)} s",
            "since": f"2026-11-{random.randrange(1, 29):02}T{random.randrange(24):02}:00:00Z",
        },
    )


async def _judge(classifier: Classifier, told: list[AlertEvent]) -> list[str]:
    """Return who judged each of *told*."""
    cases = [pb.ClassifyCase(event=alert_codec.event_message(each)) for each in told]
    answer = await classifier.service.ClassifyAlerts(pb.ClassifyAlertsRequest(cases=cases), timeout=60)
    return [each.verdict.source for each in answer.results]


@pytest.mark.timeout(180)
async def test_ten_thousand_alerts_of_fifty_kinds_cost_fifty_questions_on_three_replicas(
    store: URL, folder: Path
) -> None:
    told = alerts()
    batches = [told[first : first + _BATCH] for first in range(0, _ALERTS, _BATCH)]
    async with replicas(store, folder) as (classifiers, llm):
        turns = asyncio.Semaphore(9)

        async def judge(number: int, batch: list[AlertEvent]) -> list[str]:
            async with turns:
                return await _judge(classifiers[number % 3], batch)

        sources = await asyncio.gather(*(judge(number, batch) for number, batch in enumerate(batches)))
        stats = await classifiers[0].service.GetStats(pb.GetStatsRequest())
    assert {source for batch in sources for source in batch} == {"m"}
    assert len(llm.requests) == _TEMPLATES
    assert stats.models[0].questions <= _TEMPLATES


@pytest.mark.timeout(120)
async def test_redis_that_dies_half_way_costs_questions_and_nothing_else(store: URL, folder: Path) -> None:
    told = alerts()[: 6 * _BATCH]
    batches = [told[first : first + _BATCH] for first in range(0, len(told), _BATCH)]
    async with replicas(store, folder) as (classifiers, llm):
        sources = [await _judge(classifiers[0], batches[0])]
        stop_redis(folder)
        sources += [await _judge(classifiers[number % 3], batch) for number, batch in enumerate(batches[1:], 1)]
    assert {source for batch in sources for source in batch} == {"m"}
    assert _TEMPLATES < len(llm.requests) <= 3 * _TEMPLATES


async def test_without_redis_each_replica_asks_once(store: URL) -> None:
    """The negative control: it is Redis that makes three replicas ask as often as one."""
    told = alerts()[:_BATCH]
    async with replicas(store, None) as (classifiers, llm):
        await asyncio.gather(*(_judge(classifier, told) for classifier in classifiers))
    assert len(llm.requests) == 3 * _TEMPLATES


async def test_a_failure_is_not_repeated_for_every_alert_of_the_kind(store: URL, folder: Path) -> None:
    same = [each for each in alerts()[: 20 * _TEMPLATES] if each.alert_name == "Kind7"]
    async with replicas(store, folder) as (classifiers, llm):
        llm.usual = lambda _: Reply(status=401)
        for number, each in enumerate(same):
            assert await _judge(classifiers[number % 3], [each]) == ["rules"]
    assert len(llm.requests) == 1


async def test_numbers_that_decide_are_not_shared(store: URL) -> None:
    async with replicas(store, None) as (classifiers, llm):
        for text in ("Volume is 3% full", "Volume is 4% full", "Volume is 97% full"):
            await _judge(classifiers[0], [event(annotations={"summary": text})])
    assert len(llm.requests) == 2
