"""Evidence: what speaks for a severity, and why."""

from dataclasses import dataclass
from enum import IntEnum

from alerthistory_common.alerts import Severity


class Level(IntEnum):
    """The severities in their order, so that they can be compared and shifted."""

    NOISE = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def severity(self) -> Severity:
        """The severity of this level."""
        return Severity[self.name]

    def lowered(self, steps: int = 1) -> "Level":
        """Return the level *steps* below; below information only an explicit mark leads."""
        return min(self, max(Level(max(self - steps, 0)), Level.INFO))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One rule that fired: the *level* it speaks for, a clause for people, and what could be done.

    ``overrules`` says whether it is strong enough to go against the sender's label: wording to raise, numbers to lower.
    """

    rule: str
    level: Level
    because: str
    recommendations: tuple[str, ...] = ()
    overrules: bool = True
