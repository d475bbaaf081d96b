"""The publisher with targets from a file, mounted secrets and Kubernetes; and fresh targets for all replicas."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
import yaml

from alerthistory.publisher.v1 import target_service_pb2
from alerthistory_common.metrics import new_registry
from alerthistory_common.redis import open_redis
from alerthistory_common.settings import SettingsError
from alerthistory_publisher.adapters import shared_refreshes
from alerthistory_publisher.adapters.targets_file import TargetsFile
from alerthistory_publisher.application.targets import TargetDirectory
from tests.events import event
from tests.fakes.kubernetes_api import TOKEN, Fault, KubernetesApi, kubernetes_api
from tests.fakes.receiver import Receiver
from tests.processes import short_folder
from tests.publishers import Bench, Publisher, eventually
from tests.redis_server import start_redis, stop_redis

LABELS = {"publishing-target": "true"}
REFRESH = target_service_pb2.RefreshTargetsRequest()


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    """Return a Kubernetes API to which KUBECONFIG leads."""
    async with kubernetes_api() as running:
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": running.url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield running


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Return a directory for mounted secrets."""
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


def mount(place: Path, **data: str) -> None:
    place.mkdir(exist_ok=True)
    for key, value in data.items():
        (place / key).write_text(value)


async def listed(publisher: Publisher) -> list[str]:
    answer = await publisher.targets.ListTargets(target_service_pb2.ListTargetsRequest())
    return [each.name for each in answer.targets]


async def has(publisher: Publisher, *names: str) -> None:
    async def is_so() -> bool:
        return await listed(publisher) == list(names)

    await eventually(is_so, saying=f"{names} are in force")


async def test_targets_come_from_all_sources_in_their_order(
    bench: Bench, ops: Receiver, api: KubernetesApi, secrets: Path
) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    mount(secrets / "audit", url=ops.url, format="webhook")
    mount(secrets / "ops", url="https://x.example", format="webhook")
    mount(secrets / "wrong", url="https://x.example", format="webhok")
    api.put("alerts", "chat", LABELS, {"url": ops.url, "format": "slack"})
    async with bench.publisher(targets_directory=secrets, kubernetes_namespaces="alerts") as publisher:
        assert await listed(publisher) == ["ops", "audit", "chat"]
        assert publisher.metric("alerthistory_publisher_target_problems") == 2
        assert await publisher.publish(event()) == [["ops", "audit", "chat"]]
        await publisher.delivered(3)
        api.put("alerts", "pager", LABELS, {"url": ops.url, "format": "webhook"})
        await has(publisher, "ops", "audit", "chat", "pager")
        (secrets / "wrong" / "format").write_text("webhook")
        bench.configure()
        await publisher.targets.RefreshTargets(REFRESH)
        assert await listed(publisher) == ["audit", "ops", "wrong", "chat", "pager"]


async def test_a_file_is_read_again_by_itself(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher(targets_refresh_s=1) as publisher:
        bench.configure({"name": "ops", "url": ops.url}, {"name": "more", "url": ops.url})
        await has(publisher, "ops", "more")


async def test_it_starts_and_serves_while_kubernetes_is_away(bench: Bench, ops: Receiver, api: KubernetesApi) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    api.put("alerts", "chat", LABELS, {"url": ops.url, "format": "webhook"})
    api.faults.append(Fault.RESET)
    async with bench.publisher(kubernetes_namespaces="alerts") as publisher:
        assert await publisher.component.is_ready()
        await has(publisher, "ops", "chat")


async def test_alerts_wait_for_targets_that_are_not_known_yet_but_not_for_long(
    bench: Bench, ops: Receiver, api: KubernetesApi
) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    api.faults.extend([Fault.RESET] * 1000)
    async with bench.publisher(kubernetes_namespaces="alerts") as publisher:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await publisher.publish(event())
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "kubernetes did not answer" in str(raised.value.details())
        bench.watch.ahead = timedelta(seconds=61)
        assert await publisher.publish(event()) == [["ops"]]


async def test_a_directory_that_is_not_there_fails_the_start_and_names_its_setting(bench: Bench, secrets: Path) -> None:
    bench.configure({"name": "Ops", "url": "https://x.example"})
    with pytest.raises(SettingsError) as raised:
        async with bench.publisher(targets_directory=secrets / "nowhere"):
            pytest.fail("it started")
    settings = [problem.partition(":")[0] for problem in raised.value.problems]
    assert settings == ["ALERTHISTORY_PUBLISHER_TARGETS_FILE", "ALERTHISTORY_PUBLISHER_TARGETS_DIRECTORY"]


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Return the URL of a Redis that runs."""
    with short_folder() as folder:
        yield start_redis(folder)
        stop_redis(folder)


@asynccontextmanager
async def replica(path: Path, redis_url: str) -> AsyncIterator[TargetDirectory]:
    """Yield the targets of a replica that never reads them unasked."""
    directory = TargetDirectory(
        TargetsFile(path, allow_http=True), every=timedelta(hours=1), settle=timedelta(milliseconds=10)
    )
    await directory.start()
    async with (
        open_redis(redis_url, name="publisher", registry=new_registry()) as redis,
        shared_refreshes.shared(directory, redis),
        asyncio.TaskGroup() as tasks,
    ):
        keeping = tasks.create_task(directory.keep_fresh())
        yield directory
        keeping.cancel()


async def test_a_refresh_of_one_replica_is_one_of_all(bench: Bench, ops: Receiver, redis_url: str) -> None:
    bench.configure()
    async with (
        replica(bench.targets_file, redis_url) as asked,
        replica(bench.targets_file, redis_url) as other,
    ):
        bench.configure({"name": "ops", "url": ops.url})

        async def is_heard() -> bool:
            await asked.refresh()
            return len(other.targets) == 1

        await eventually(is_heard, saying="the other replica has the new target")
