"""Keep the filter rules, and read them for those who decide."""

import structlog

from alerthistory_common.errors import NotFoundError
from alerthistory_publisher.domain.filters import FilterRule, RuleBook
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import RuleStore

_LOG = structlog.get_logger(__name__)


class RuleNotFoundError(NotFoundError):
    """No filter rule has this name for this target."""

    reason = "RULE_NOT_FOUND"


class Filtering:
    """The rules."""

    def __init__(self, rules: RuleStore, *, metrics: PublisherMetrics) -> None:
        self._rules = rules
        self._metrics = metrics

    async def rules(self) -> list[FilterRule]:
        """Return all rules, by priority."""
        return await self._rules.list_all()

    async def add(self, rule: FilterRule) -> None:
        """Keep *rule*, durably. Several may have one name."""
        await self._rules.add(rule)

    async def delete(self, name: str, target: str) -> int:
        """Delete all rules of *name* for *target* (empty: for all); raise RuleNotFoundError when there is none."""
        if not (count := await self._rules.delete(name, target)):
            raise RuleNotFoundError(f"no filter rule {name!r}", rule=name)
        return count

    async def rule_book(self) -> RuleBook:
        """Return the rules ready to be asked; none when they cannot be read: a lost alert is worse than a spare one."""
        try:
            return RuleBook(await self._rules.list_all())
        except Exception as error:  # noqa: BLE001  # Whatever is wrong with the rules: alerts are published.
            self._metrics.unfiltered.inc()
            _LOG.warning("the filter rules cannot be read, alerts are published without them", exc_info=error)
            return RuleBook(())
