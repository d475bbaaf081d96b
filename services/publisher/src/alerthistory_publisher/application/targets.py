"""The targets in force, kept fresh."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from alerthistory_common.alerts import Instant
from alerthistory_common.errors import NotFoundError
from alerthistory_publisher.domain.outcomes import Backoff, full_jitter
from alerthistory_publisher.domain.target_sets import Listing, TargetProblem, TargetSet, empty_set
from alerthistory_publisher.domain.targets import (
    InvalidTargetsError,
    PublishingMode,
    Target,
    TargetSourceAwayError,
)
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import TargetSource

REFRESH_EVERY = timedelta(seconds=30)
SETTLE = timedelta(seconds=1)
"""How long the first hint waits for others: secrets are often changed several at a time."""
_KUBERNETES = "kubernetes"
_LOG = structlog.get_logger(__name__)


class TargetDirectory:
    """Knows the targets in force, from *sources* in their order, and reads them anew: when asked, hinted, and *every*.

    ``targets`` are in force. ``problems`` should be mended; none of them has taken a target away. A source that cannot
    be read is tried again after *backoff*, and after *every* at the latest.
    """

    def __init__(
        self,
        *sources: TargetSource,
        metrics: PublisherMetrics | None = None,
        every: timedelta = REFRESH_EVERY,
        settle: timedelta = SETTLE,
        backoff: Backoff | None = None,
    ) -> None:
        self._readers = [_Reader(source) for source in sources]
        self._metrics = metrics
        self._every = every
        self._settle = settle
        self._backoff = backoff or full_jitter(random.random)
        self._set = empty_set(source.name for source in sources)
        self._tell: Callable[[], None] = lambda: None
        self.targets: tuple[Target, ...] = ()
        self.problems: tuple[TargetProblem, ...] = ()
        self.refreshed_at: Instant | None = None

    @property
    def mode(self) -> PublishingMode:
        """Whether alerts are published: not when a place for targets is configured and names none."""
        is_empty = bool(self._readers) and not self.targets
        return PublishingMode.METRICS_ONLY if is_empty else PublishingMode.INTELLIGENT

    @property
    def is_kubernetes_available(self) -> bool:
        """Whether secrets are read from Kubernetes, and could be the last time."""
        return any(reader.source.name == _KUBERNETES and reader.is_read for reader in self._readers)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of the sources that were never read since the start: what targets they hold is not known."""
        return tuple(reader.source.name for reader in self._readers if not reader.was_read)

    def also(self, tell: Callable[[], None]) -> None:
        """Call *tell* when somebody asks for fresh targets, so that other replicas hear of it."""
        self._tell = tell

    def hint(self) -> None:
        """Have all sources read soon."""
        for reader in self._readers:
            reader.hinted.set()

    async def start(self) -> tuple[TargetProblem, ...]:
        """Read all sources for the first time; return what is wrong with those that cannot be used as a whole.

        A source that is only away is no reason not to start: ``keep_fresh`` asks it again.
        """
        failures = [(reader, await self._read(reader)) for reader in self._readers]
        return tuple(
            TargetProblem(reader.source.name, problem)
            for reader, failure in failures
            if failure is not None and not failure.is_passing
            for problem in failure.problems
        )

    async def refresh(self, *, asked_at: Instant | None = None) -> None:
        """Read the targets anew, and have other replicas do so.

        Raises InvalidTargetsError when a source as a whole cannot be used: its targets stay as they are, those of the
        other sources are fresh. *asked_at* is when somebody asked for it.
        """
        self._tell()
        failures = [failure for reader in self._readers if (failure := await self._read(reader))]
        if failures:
            raise InvalidTargetsError([problem for failure in failures for problem in failure.problems])
        self.refreshed_at = asked_at or self.refreshed_at

    async def keep_fresh(self) -> None:
        """Read every source when it hints, and from time to time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reader in self._readers:
                tasks.create_task(self._watch(reader))
                tasks.create_task(self._keep_fresh(reader))

    def get(self, name: str) -> Target:
        """Return the target of this name, enabled or not; raise TargetNotFoundError when there is none."""
        for each in self.targets:
            if each.name == name:
                return each
        raise TargetNotFoundError(f"no target {name!r}", target=name)

    def find(self, name: str) -> Target | None:
        """Return the enabled target of this name, None when there is none."""
        return next((each for each in self.targets if each.name == name and each.is_enabled), None)

    def enabled(self) -> list[Target]:
        """Return the targets that alerts are sent to."""
        return [each for each in self.targets if each.is_enabled]

    async def _watch(self, reader: "_Reader") -> None:
        try:
            await reader.source.watch(reader.hinted.set)
        except Exception as error:  # noqa: BLE001  # Hints save time; without them the targets are fresh, later.
            _LOG.error("a watch of targets broke", source=reader.source.name, exc_info=error)

    async def _keep_fresh(self, reader: "_Reader") -> None:
        while True:
            await self._wait(reader)
            await self._read(reader)

    async def _wait(self, reader: "_Reader") -> None:
        """Wait until *reader* is to be asked again. Hints do not shorten the pause after a failure."""
        if reader.failures:
            pause = max(reader.pause, min(self._backoff(reader.failures), self._every))
            await asyncio.sleep(pause.total_seconds())
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every.total_seconds()):
                await reader.hinted.wait()
                await asyncio.sleep(self._settle.total_seconds())

    async def _read(self, reader: "_Reader") -> "_Failure | None":
        """Read one source and apply what it says; return why that could not be."""
        name = reader.source.name
        async with reader.lock:
            reader.hinted.clear()
            found = await _load(reader.source)
            if isinstance(found, Listing):
                reader.failures, reader.pause = 0, timedelta(0)
                self._apply(self._set.listed(name, found))
            else:
                reader.failures, reader.pause = reader.failures + 1, found.pause
                self._apply(self._set.unreadable(name, found.problems))
            reader.is_read = isinstance(found, Listing)
            reader.was_read = reader.was_read or reader.is_read
        self._count(name, "read" if isinstance(found, Listing) else found.outcome)
        return None if isinstance(found, Listing) else found

    def _apply(self, new: TargetSet) -> None:
        _tell_changes(self.targets, new.targets)
        _tell_problems(self.problems, new.problems)
        self._set, self.targets, self.problems = new, new.targets, new.problems

    def _count(self, source: str, outcome: str) -> None:
        if self._metrics is None:
            return
        self._metrics.target_problems.set(len(self.problems))
        self._metrics.target_refreshes.labels(source, outcome).inc()
        if outcome == "read":
            self._metrics.targets_refreshed.labels(source).set_to_current_time()


class _Reader:
    """One source, and how reading it went."""

    def __init__(self, source: TargetSource) -> None:
        self.source = source
        self.hinted = asyncio.Event()
        self.lock = asyncio.Lock()  # A listing that began earlier must not be applied later.
        self.failures = 0
        self.pause = timedelta(0)
        self.is_read = False
        self.was_read = False


class _Failure:
    """Why a source could not be read. It *is_passing* when nobody needs to mend anything."""

    def __init__(self, outcome: str, problems: list[str], *, pause: timedelta = timedelta(0)) -> None:
        self.outcome = outcome
        self.problems = problems
        self.pause = pause

    @property
    def is_passing(self) -> bool:
        return self.outcome == "away"


async def _load(source: TargetSource) -> Listing | _Failure:
    try:
        return await source.load()
    except InvalidTargetsError as error:
        return _Failure("invalid", error.problems)
    except TargetSourceAwayError as error:
        return _Failure("away", [error.message], pause=error.retry_after)
    except Exception as error:  # noqa: BLE001  # Whatever is wrong with a source: the targets in force stay.
        _LOG.error("a source of targets broke", source=source.name, exc_info=error)
        return _Failure("broken", [f"{type(error).__name__} while it was read"])


def _tell_changes(old: tuple[Target, ...], new: tuple[Target, ...]) -> None:
    before, after = ({each.name: each for each in targets} for targets in (old, new))
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    if added or removed or changed:
        _LOG.info("targets changed", added=added, changed=changed, removed=removed)


def _tell_problems(old: tuple[TargetProblem, ...], new: tuple[TargetProblem, ...]) -> None:
    for each in new:
        if each not in old:
            _LOG.warning("a problem with targets, those in force stay", source=each.source, problem=each.text)
    for each in old:
        if each not in new:
            _LOG.info("a problem with targets is gone", source=each.source, problem=each.text)


class TargetNotFoundError(NotFoundError):
    """No target of this name is configured."""

    reason = "TARGET_NOT_FOUND"
