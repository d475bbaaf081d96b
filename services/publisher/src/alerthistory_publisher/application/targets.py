"""The targets in force."""

from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.ports import TargetSource


class TargetDirectory:
    """Knows the targets in force, and reads them anew when asked."""

    def __init__(self, source: TargetSource) -> None:
        self._source = source
        self.targets: tuple[Target, ...] = ()

    async def refresh(self) -> None:
        """Read the targets anew; raise InvalidTargetsError, and keep the old ones, when they are wrong."""
        self.targets = await self._source.load()

    def find(self, name: str) -> Target | None:
        """Return the enabled target of this name, None when there is none."""
        return next((each for each in self.targets if each.name == name and each.is_enabled), None)

    def enabled(self) -> list[Target]:
        """Return the targets that alerts are sent to."""
        return [each for each in self.targets if each.is_enabled]
