"""What a legacy database is made of: tables whose rows become alerts or classifications of the past."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from alerthistory_client.records import Classification, PastAlert
from alerthistory_common.errors import InvalidArgumentError

T = TypeVar("T", covariant=True)


class LegacySourceError(InvalidArgumentError):
    """The legacy database cannot be read; the text names it and says why, without any password."""

    reason = "LEGACY_SOURCE"


class UnusableRowError(Exception):
    """Nothing can be made of a row; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRow(Generic[T]):
    """One row: what it holds, or None and the ``problem`` with it."""

    row_id: int
    content: T | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount:
    """How many rows a table has, and how many of them a later row about the same thing supersedes."""

    rows: int
    superseded: int = 0


class Table(Protocol[T]):
    """One table of a legacy database. Raises LegacySourceError when the database goes away."""

    @property
    def name(self) -> str:
        """The table's name in the database."""
        ...

    def count(self) -> RowCount:
        """Return how many rows there are."""
        ...

    def read(self) -> Iterator[ReadRow[T]]:
        """Iterate over the rows that no later one supersedes, in the order in which they were received."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacySource:
    """An open legacy database. ``name`` is how it is shown; it never holds a password."""

    name: str
    kind: str
    alert_tables: tuple[Table[PastAlert], ...]
    classification_tables: tuple[Table[Classification], ...]
