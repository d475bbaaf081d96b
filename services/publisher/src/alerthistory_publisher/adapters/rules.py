"""Filter rules in SQL."""

from typing import Any

import structlog
from sqlalchemy import Row, delete, insert, select

from alerthistory_common.database import Database
from alerthistory_publisher.adapters.tables import filter_rules
from alerthistory_publisher.domain.filters import FilterAction, FilterRule

_LOG = structlog.get_logger(__name__)


class SqlRuleStore:
    """The port ``RuleStore`` over one table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_all(self) -> list[FilterRule]:
        """Return all rules, by priority and age; what this version cannot read is left out."""
        statement = select(filter_rules).order_by(filter_rules.c.priority, filter_rules.c.id)
        rows = await self._database.read(lambda connection: connection.execute(statement))
        return [rule for row in rows if (rule := _rule(row)) is not None]

    async def add(self, rule: FilterRule) -> None:
        """Keep *rule*, durably."""
        statement = insert(filter_rules).values(
            name=rule.name,
            action=rule.action.value,
            conditions=rule.conditions_json,
            priority=rule.priority,
            is_enabled=rule.is_enabled,
            target=rule.target,
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def delete(self, name: str, target: str) -> int:
        """Delete all rules of *name* for *target*; return how many there were."""
        statement = delete(filter_rules).where(filter_rules.c.name == name, filter_rules.c.target == target)
        result = await self._database.write(lambda connection: connection.execute(statement))
        return result.rowcount


def _rule(row: Row[Any]) -> FilterRule | None:
    try:
        action = FilterAction(row.action)
    except ValueError:
        _LOG.warning("a filter rule cannot be read by this version", rule=row.name)
        return None
    return FilterRule(
        name=row.name,
        action=action,
        conditions_json=row.conditions,
        priority=row.priority,
        is_enabled=row.is_enabled,
        target=row.target,
    )
