"""The targets in force."""

from alerthistory_common.alerts import Instant
from alerthistory_common.errors import NotFoundError
from alerthistory_publisher.domain.targets import PublishingMode, Target
from alerthistory_publisher.ports import TargetSource


class TargetDirectory:
    """Knows the targets in force, and reads them anew when asked. *has_source*: whether any place names targets."""

    def __init__(self, source: TargetSource, *, has_source: bool = True) -> None:
        self._source = source
        self._has_source = has_source
        self.targets: tuple[Target, ...] = ()
        self.refreshed_at: Instant | None = None

    @property
    def mode(self) -> PublishingMode:
        """Whether alerts are published: not when a place for targets is configured and names none."""
        is_empty = self._has_source and not self.targets
        return PublishingMode.METRICS_ONLY if is_empty else PublishingMode.INTELLIGENT

    async def refresh(self, *, asked_at: Instant | None = None) -> None:
        """Read the targets anew; raise InvalidTargetsError, and keep the old ones, when they are wrong.

        *asked_at* is when somebody asked for it; None at the start.
        """
        self.targets = await self._source.load()
        self.refreshed_at = asked_at or self.refreshed_at

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


class TargetNotFoundError(NotFoundError):
    """No target of this name is configured."""

    reason = "TARGET_NOT_FOUND"
