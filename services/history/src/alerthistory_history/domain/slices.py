"""What is counted apart: all alerts, and those of one name, one namespace, one severity label, or one of each.

Texts are known by their hashes: names may be longer than an index can hold, and counters are many.
"""

from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple


class Dimension(IntFlag):
    """By what alerts are told apart; also sets of these."""

    NONE = 0
    NAME = 1
    NAMESPACE = 2
    SEVERITY = 4
    ALL = 7


CUTS = (Dimension.NONE, Dimension.NAME, Dimension.NAMESPACE, Dimension.SEVERITY, Dimension.ALL)
"""The sets of dimensions by which is counted; other questions add up the slices of ALL."""


class Group(NamedTuple):
    """The hashes of an alert's name, namespace label and severity label; 0 for what does not matter."""

    name: int = 0
    namespace: int = 0
    severity: int = 0

    def only(self, dimensions: Dimension) -> "Group":
        """Return the group with nothing but *dimensions*."""
        # Plain numbers: this is asked for every alert, and flags are slow.
        kept = int(dimensions)
        return Group(self.name if kept & 1 else 0, self.namespace if kept & 2 else 0, self.severity if kept & 4 else 0)


@dataclass(frozen=True, slots=True)
class Slice:
    """All alerts that share the group's values of some dimensions."""

    dimensions: Dimension
    group: Group

    @property
    def key(self) -> int:
        """Return the number that stands for the slice."""
        return slice_key(self.dimensions, self.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFilter:
    """Which alerts are counted: those whose name and labels are exactly these; None does not restrict."""

    alert_name: str | None = None
    namespace: str | None = None
    severity_label: str | None = None

    @property
    def dimensions(self) -> Dimension:
        """Return what is restricted."""
        return (
            (Dimension.NAME if self.alert_name is not None else Dimension.NONE)
            | (Dimension.NAMESPACE if self.namespace is not None else Dimension.NONE)
            | (Dimension.SEVERITY if self.severity_label is not None else Dimension.NONE)
        )

    @property
    def group(self) -> Group:
        """Return the hashes of what is wanted."""
        return group_of(self.alert_name, self.namespace, self.severity_label)


def group_of(name: str | None, namespace: str | None, severity: str | None) -> Group:
    """Return the hashes of the texts; 0 for None."""
    return Group(*(0 if text is None else text_hash(text) for text in (name, namespace, severity)))


@lru_cache(maxsize=10_000)
def text_hash(text: str) -> int:
    """Return a signed number of 64 bits that stands for *text*."""
    return _number(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=100_000)
def slice_key(dimensions: Dimension, group: Group) -> int:
    """Return the number that stands for the slice of *dimensions* in which *group* is."""
    parts = (dimensions, *group.only(dimensions))
    return _number(b"".join(part.to_bytes(8, "big", signed=True) for part in parts))


@lru_cache(maxsize=50_000)
def slices_of(group: Group) -> tuple[tuple[int, Slice], ...]:
    """Return every slice in which *group* is counted, with its key."""
    slices = [Slice(cut, group.only(cut)) for cut in CUTS]
    return tuple((each.key, each) for each in slices)


def cut_for(dimensions: Dimension) -> Dimension:
    """Return the coarsest cut that tells *dimensions* apart."""
    return next(cut for cut in CUTS if cut & dimensions == dimensions)


def _number(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)
