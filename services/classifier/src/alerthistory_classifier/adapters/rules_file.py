"""The rules."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from alerthistory_classifier.domain.rules import RuleBook


def parse_rules(text: str) -> RuleBook:
    """Return the rules in the YAML *text*; raise ValueError, which names the place, when anything is wrong."""
    return RuleBook()


@asynccontextmanager
async def open_rules(path: Path | None, *, registry: CollectorRegistry) -> AsyncIterator[Callable[[], RuleBook]]:
    """Yield what gives the rules in force."""
    yield RuleBook
