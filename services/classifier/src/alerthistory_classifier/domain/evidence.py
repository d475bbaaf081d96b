"""Evidence: what speaks for a severity, how much, and why."""

from dataclasses import dataclass
from enum import IntEnum
from math import exp
from typing import NamedTuple

from alerthistory_common.alerts import Severity


class Level(IntEnum):
    """The severities in their order."""

    NOISE = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def severity(self) -> Severity:
        """The severity of this level."""
        return Severity[self.name]


class Votes(NamedTuple):
    """How much speaks for each severity, and with negative numbers against it: differences of logarithmic odds."""

    critical: float = 0.0
    warning: float = 0.0
    info: float = 0.0
    noise: float = 0.0

    def plus(self, other: "Votes") -> "Votes":
        """Return the sum."""
        return Votes(*(mine + its for mine, its in zip(self, other, strict=True)))

    def shares(self, temperature: float) -> dict[Level, float]:
        """Return the probability of each level; the higher the *temperature*, the more alike they are."""
        highest = max(self)
        odds = [exp((each - highest) / temperature) for each in self]
        return {level: each / sum(odds) for level, each in zip(_ORDER, odds, strict=True)}

    @property
    def weight(self) -> float:
        """How much is said, for or against whatever."""
        return max(self) - min(self)


NO_VOTES = Votes()
_ORDER = (Level.CRITICAL, Level.WARNING, Level.INFO, Level.NOISE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One rule that fits, and its votes. ``because`` is a clause for people; ``group`` that of a phrase."""

    rule: str
    because: str
    votes: Votes = NO_VOTES
    group: str = ""
    recommendations: tuple[str, ...] = ()
