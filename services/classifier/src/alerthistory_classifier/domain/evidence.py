"""Evidence: what speaks for a severity, with how much weight, and why."""

from dataclasses import dataclass
from enum import IntEnum

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One rule that fits: how urgent it makes the alert (1 info, 2 warning, 3 critical) and with how much weight.

    ``noise`` counts apart: from 1 on, all evidence together, the alert is noise. ``because`` is a clause for people.
    """

    rule: str
    because: str
    urgency: float = 0.0
    weight: float = 0.0
    noise: float = 0.0
    group: str = ""
    recommendations: tuple[str, ...] = ()
