"""Targets from Kubernetes: whatever changes and fails, those in force are the last valid ones that were wanted.

Hypothesis changes secrets and breaks the API. After each step the directory is compared with a model of a few lines.
The mutants show that the comparison notices who trusts half a list, an error, or a malformed secret.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from lightkube.config.kubeconfig import SingleConfig

from alerthistory_publisher.adapters.targets_kubernetes import SELECTORS, KubernetesSecrets
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.target_sets import Listing
from alerthistory_publisher.domain.targets import InvalidTargetsError, Target, TargetSourceAwayError
from alerthistory_publisher.ports import TargetSource
from tests.fakes.kubernetes_api import TOKEN, Fault, KubernetesApi, kubernetes_api, status_document
from tests.publishers import eventually

T = TypeVar("T")
OURS = {"publishing-target": "true"}
LEGACY = {"alert-history.io/target": "true", "alert-history.io/format": "slack"}
NAMES = [("a", "a-1"), ("a", "a-2"), ("a", "a-3"), ("b", "b-1"), ("b", "b-2")]
LABELS = [OURS, LEGACY, {**OURS, **LEGACY}]
MALFORMED: list[dict[str, str]] = [
    {},
    {"url": "s3cret"},
    {"url": "https://x.example/s3cret", "format": "s3cret"},
    {"url": "https://x.example", "format": "webhook", "tokn": "s3cret"},
    {"url": "https://x.example", "format": "webhook", "timeout": "soon"},
    {"config": "{url: https://x.example, headers: {A: *s3cret}}"},
]
FATAL = [each for each in Fault if each is not Fault.NONE]
EVERY = timedelta(hours=1)
AT_ONCE = timedelta(0)


def data(number: int) -> dict[str, str]:
    """Return the data of a valid target."""
    return {"url": f"https://x.example/{number}", "format": "webhook"}


def source_of(api: KubernetesApi, namespaces: Sequence[str] = ("a", "b")) -> KubernetesSecrets:
    return KubernetesSecrets(
        namespaces, allow_http=False, config=api.config, backoff=lambda _: timedelta(milliseconds=20), page_size=2
    )


class Cluster(RuleBasedStateMachine):
    """A cluster in which secrets change and the API fails, and what the targets in force must be.

    ``wanted`` has the last valid version of each secret, as of the last time that the API could be read completely.
    """

    source: Callable[[KubernetesApi], TargetSource] = staticmethod(source_of)

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.api_context: AbstractAsyncContextManager[KubernetesApi] = kubernetes_api()
        self.api = self.run(self.api_context.__aenter__())
        self.directory = TargetDirectory(type(self).source(self.api))
        self.valid: dict[tuple[str, str], int | None] = {}
        self.wanted: dict[tuple[str, str], int] = {}
        self.number = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.api_context.__aexit__(None, None, None))
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()

    @initialize(labels=st.sampled_from(LABELS))
    def begin(self, labels: dict[str, str]) -> None:
        for which in NAMES[:-1]:
            self.add_or_change(which, labels)
        self.read()

    @rule(which=st.sampled_from(NAMES), labels=st.sampled_from(LABELS))
    def add_or_change(self, which: tuple[str, str], labels: dict[str, str]) -> None:
        self.number += 1
        self.api.put(*which, labels, data(self.number))
        self.valid[which] = self.number

    @rule(which=st.sampled_from(NAMES), labels=st.sampled_from(LABELS), wrong=st.sampled_from(MALFORMED))
    def make_malformed(self, which: tuple[str, str], labels: dict[str, str], wrong: dict[str, str]) -> None:
        self.api.put(*which, labels, wrong)
        self.valid[which] = None

    @precondition(lambda self: self.valid)
    @rule(choice=st.data())
    def delete(self, choice: st.DataObject) -> None:
        which = choice.draw(st.sampled_from(sorted(self.valid)))
        self.api.delete(*which)
        del self.valid[which]

    @precondition(lambda self: self.valid)
    @rule(choice=st.data())
    def take_the_label_away(self, choice: st.DataObject) -> None:
        which = choice.draw(st.sampled_from(sorted(self.valid)))
        self.api.put(*which, {"publishing-target": "false"}, data(0))
        del self.valid[which]

    @rule()
    def read(self) -> None:
        assert self.is_read()

    @rule(fault=st.sampled_from(FATAL), answered=st.integers(0, 9))
    def fail_once(self, fault: Fault, answered: int) -> None:
        self.api.faults.extend([*[Fault.NONE] * answered, fault])
        is_met = not self.is_read()
        assert not is_met or not self.api.faults
        self.api.faults.clear()

    @rule(fault=st.sampled_from(FATAL), answered=st.integers(0, 3))
    def fail_from_some_page_on(self, fault: Fault, answered: int) -> None:
        self.api.faults.extend([*[Fault.NONE] * answered, *[fault] * 20])
        assert not self.is_read()
        self.api.faults.clear()

    @rule(pages=st.integers(1, 3))
    def expire_between_pages(self, pages: int) -> None:
        self.api.before_lists = [lambda: None] * pages + [self.api.expire_continues]
        assert self.is_read()

    @rule()
    def be_unreachable(self) -> None:
        port, self.api.port = self.api.port, 1
        assert not self.is_read()
        self.api.port = port

    @rule()
    def refuse_the_token(self) -> None:
        self.api.tokens = {"another"}
        assert not self.is_read()
        self.api.tokens = {TOKEN}

    def is_read(self) -> bool:
        """Refresh, and return whether that worked; then all that was listed is wanted."""
        try:
            self.run(self.directory.refresh())
        except InvalidTargetsError as error:
            assert "s3cret" not in str(error)  # noqa: PT017  # It is raised at times, and never with a secret.
            return False
        self.note_a_whole_list()
        return True

    def note_a_whole_list(self) -> None:
        known = {which: self.wanted.get(which) if valid is None else valid for which, valid in self.valid.items()}
        self.wanted = {which: number for which, number in known.items() if number is not None}

    @invariant()
    def the_targets_in_force_are_the_last_valid_ones(self) -> None:
        found = {each.name: each.url for each in self.directory.targets}
        assert found == {name: f"https://x.example/{number}" for (_, name), number in self.wanted.items()}
        assert "s3cret" not in str(self.directory.problems)


QUICK = settings(max_examples=25, stateful_step_count=15, deadline=None, derandomize=True, database=None)
HASTY = settings(QUICK, max_examples=100, phases=[Phase.generate], report_multiple_bugs=False)


def test_the_targets_in_force_are_the_last_valid_ones_whatever_happens() -> None:
    run_state_machine_as_test(Cluster, settings=QUICK)


class TrustsHalfAList(KubernetesSecrets):
    """Takes what came before an error for all there is."""

    async def _list(self, client: httpx2.AsyncClient, namespace: str, selector: str) -> Any:
        found: list[Any] = []
        with suppress(httpx2.HTTPError):
            async for secret in self._pages(client, namespace, selector):
                found += [secret]
        return found


class DropsMalformed(KubernetesSecrets):
    """Leaves out what it cannot use."""

    async def load(self) -> Listing:
        """Return the good ones only."""
        found = (await super().load()).entries
        return Listing({key: each for key, each in found.items() if isinstance(each, Target)})


class TrustsErrors(KubernetesSecrets):
    """Takes an error for an empty list."""

    async def load(self) -> Listing:
        """Return nothing while the API is away."""
        try:
            return await super().load()
        except TargetSourceAwayError:
            return Listing({})


def careful_as(mutant: type[KubernetesSecrets]) -> type[Cluster]:
    """Return the machine over a source that is not careful."""

    class Mutated(Cluster):
        source = staticmethod(lambda api: mutant(("a", "b"), allow_http=False, config=api.config, page_size=2))

    return Mutated


@pytest.mark.parametrize("mutant", [TrustsHalfAList, DropsMalformed, TrustsErrors])
def test_a_source_that_trusts_too_much_is_found_out(mutant: type[KubernetesSecrets]) -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(careful_as(mutant), settings=HASTY)


@asynccontextmanager
async def kept_fresh(directory: TargetDirectory) -> AsyncIterator[TargetDirectory]:
    """Yield *directory* while it keeps itself fresh."""
    await directory.start()
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(directory.keep_fresh())
        try:
            yield directory
        finally:
            keeping.cancel()


@pytest.fixture
async def api() -> AsyncIterator[KubernetesApi]:
    async with kubernetes_api() as running:
        yield running


def hinted(source: TargetSource, *, every: timedelta = EVERY) -> TargetDirectory:
    """Return a directory that reads at every hint, and by itself as good as never."""
    return TargetDirectory(source, every=every, settle=AT_ONCE, backoff=lambda _: timedelta(milliseconds=20))


async def has(directory: TargetDirectory, *names: str) -> None:
    async def is_so() -> bool:
        return [each.name for each in directory.targets] == list(names)

    await eventually(is_so, saying=f"{names} are in force")


async def watched(api: KubernetesApi, count: int) -> None:
    async def is_so() -> bool:
        return api.open_watches == count

    await eventually(is_so, saying=f"{count} watches are open")


async def test_changes_are_in_force_as_soon_as_a_watch_tells_of_them(api: KubernetesApi) -> None:
    api.put("a", "a-1", OURS, data(1))
    async with kept_fresh(hinted(source_of(api))) as directory:
        assert [each.name for each in directory.targets] == ["a-1"]
        assert directory.is_kubernetes_available
        await watched(api, 4)
        api.put("b", "b-1", LEGACY, {"url": "https://x.example", "token": "t", "timeout": "30", "enabled": "false"})
        await has(directory, "a-1", "b-1")
        legacy = directory.get("b-1")
        assert (legacy.format, legacy.headers, legacy.timeout_s) == ("slack", (("Authorization", "Token t"),), 30)
        assert not legacy.is_enabled
        api.delete("a", "a-1")
        await has(directory, "b-1")
        api.put("b", "b-1", {}, data(2))
        await has(directory)


Trouble = Callable[[KubernetesApi], None]


def _bookmarks(api: KubernetesApi) -> None:
    api.say("BOOKMARK", {"kind": "Secret", "apiVersion": "v1", "metadata": {"resourceVersion": "99"}})


def _expired(api: KubernetesApi) -> None:
    api.say("ERROR", status_document(410, "Expired"))
    api.end_watches()


def _broken(api: KubernetesApi) -> None:
    api.say("ERROR", status_document(500, "InternalError"))
    api.end_watches()


def _repeated(api: KubernetesApi) -> None:
    for _ in range(3):
        api.say("MODIFIED", next(iter(api.secrets.values())).document())


def _refused(*faults: Fault) -> Trouble:
    def refuse(api: KubernetesApi) -> None:
        api.watch_faults.extend(faults * 2)
        api.end_watches()

    return refuse


@pytest.mark.parametrize(
    "trouble",
    [
        _bookmarks,
        _expired,
        _broken,
        _repeated,
        KubernetesApi.end_watches,
        KubernetesApi.say_half_a_line,
        *[_refused(each) for each in FATAL],
    ],
    ids=lambda trouble: trouble.__name__.strip("_"),
)
async def test_watches_survive(api: KubernetesApi, trouble: Trouble) -> None:
    api.put("a", "a-1", OURS, data(1))
    async with kept_fresh(hinted(source_of(api, ["a"]))) as directory:
        await watched(api, 2)
        trouble(api)
        assert [each.name for each in directory.targets] == ["a-1"]
        await eventually(lambda: _used_up(api), saying="the trouble came")
        await watched(api, 2)
        api.put("a", "a-2", OURS, data(2))
        await has(directory, "a-1", "a-2")


async def test_what_happens_while_no_watch_is_open_is_not_missed(api: KubernetesApi) -> None:
    api.put("a", "a-1", OURS, data(1))
    source = KubernetesSecrets(
        ["a"], allow_http=False, config=api.config, backoff=lambda _: timedelta(milliseconds=300)
    )
    async with kept_fresh(hinted(source)) as directory:
        await watched(api, 2)
        api.end_watches()
        await watched(api, 0)
        await asyncio.sleep(0.1)
        api.delete("a", "a-1")
        await has(directory)


async def test_a_watch_that_ends_is_a_hint_too(api: KubernetesApi) -> None:
    source = KubernetesSecrets(["a"], allow_http=False, config=api.config, backoff=lambda _: EVERY)
    async with kept_fresh(hinted(source)):
        await watched(api, 2)
        await asyncio.sleep(0.2)
        lists = api.lists
        api.end_watches()

        async def is_listed() -> bool:
            return api.lists > lists

        await eventually(is_listed, saying="the end had all listed")


async def _used_up(api: KubernetesApi) -> bool:
    return not api.watch_faults


async def test_a_server_that_ends_every_watch_at_once_is_not_stormed(api: KubernetesApi) -> None:
    api.ends_watches = True
    source = KubernetesSecrets(["a"], allow_http=False, config=api.config, backoff=lambda n: timedelta(seconds=n / 10))
    async with kept_fresh(hinted(source)):
        await asyncio.sleep(1)
    assert sum(each.is_watch for each in api.requests) <= 2 * 5


async def test_what_no_watch_tells_of_is_found_in_time(api: KubernetesApi) -> None:
    api.watch_faults.extend([Fault.FORBIDDEN] * 1000)
    directory = TargetDirectory(Unwatched(api), every=timedelta(milliseconds=50))
    async with kept_fresh(directory):
        api.put("a", "a-1", OURS, data(1))
        await has(directory, "a-1")


class Unwatched(KubernetesSecrets):
    """A source whose watch tells nothing."""

    def __init__(self, api: KubernetesApi) -> None:
        super().__init__(["a"], allow_http=False, config=api.config)

    async def watch(self, hint: Callable[[], None]) -> None:
        """Say nothing."""


async def test_an_api_that_is_away_at_the_start_is_asked_again(api: KubernetesApi) -> None:
    api.put("a", "a-1", OURS, data(1))
    api.faults.extend([Fault.HTML_ERROR] * 3)
    directory = hinted(source_of(api))
    assert await directory.start() == ()
    assert directory.targets == ()
    assert not directory.is_kubernetes_available
    assert [each.text for each in directory.problems] == ["the Kubernetes API answers 503"]
    async with kept_fresh(directory):
        await has(directory, "a-1")
        assert directory.problems == ()


async def test_a_pause_that_the_api_asks_for_is_kept(api: KubernetesApi) -> None:
    api.faults.append(Fault.TOO_MANY)
    api.retry_after = "1"
    source = Unwatched(api)
    directory = hinted(source)
    for _ in range(3):
        with pytest.raises(InvalidTargetsError, match="asks for a pause"):
            await directory.refresh()
    assert api.lists == 1
    with pytest.raises(TargetSourceAwayError) as raised:
        await source.load()
    assert timedelta(0) < raised.value.retry_after <= timedelta(seconds=1)
    async with kept_fresh(directory):
        api.put("a", "a-1", OURS, data(1))
        assert api.lists == 1
        await has(directory, "a-1")


async def test_a_renewed_token_is_read_again(api: KubernetesApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    source = KubernetesSecrets(
        ["a"], allow_http=False, config=lambda: api.config(tokenFile=str(tmp_path / "token")), page_size=1
    )
    for name in ("a-1", "a-2"):
        api.put("a", name, OURS, data(1))

    def renew() -> None:
        api.tokens = {"t0ken-2"}
        (tmp_path / "token").write_text("t0ken-2\n")

    api.before_lists = [lambda: None, renew]
    assert [*(await source.load()).entries] == ["a/a-1", "a/a-2"]


async def test_a_secret_whose_label_is_changed_for_the_other_one_between_two_lists_stays(api: KubernetesApi) -> None:
    api.put("a", "a-1", LEGACY, data(1))
    directory = hinted(source_of(api, ["a"]))
    await directory.refresh()
    api.before_lists = [lambda: None, lambda: api.put("a", "a-1", OURS, data(1))]
    await directory.refresh()
    assert [each.name for each in directory.targets] == ["a-1"]


async def test_a_long_list_is_read_in_pages_and_its_watch_does_not_gather_it(api: KubernetesApi) -> None:
    for number in range(20):
        api.put("a", f"a-{number}", OURS, {**data(number), "description": "x" * 400_000, "format": "slack"})
    source = source_of(api, ["a"])
    found = await source.load()
    assert len(found.entries) == 20
    assert {SELECTORS[0], SELECTORS[1]} == {each.selector for each in api.requests}


async def test_without_a_configuration_of_a_cluster_the_targets_stay_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    directory = TargetDirectory(KubernetesSecrets(["a"], allow_http=False))
    assert await directory.start() == ()
    (problem,) = directory.problems
    assert problem.text.startswith("no access to the Kubernetes API: Configuration file")


async def test_half_a_configuration_keeps_the_targets_away_too() -> None:
    def half() -> SingleConfig:
        raise KeyError("KUBERNETES_SERVICE_HOST")

    directory = TargetDirectory(KubernetesSecrets(["a"], allow_http=False, config=half))
    assert await directory.start() == ()
    assert [each.text for each in directory.problems] == ["the Kubernetes API cannot be read: KeyError"]
