"""What of all alerts a target wants to be told, as configured with it."""

from dataclasses import dataclass

from alerthistory_common.alerts import Severity
from alerthistory_common.matchers import Matcher
from alerthistory_publisher.domain.active_times import ActiveTime


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFilter:
    """What a target wants; every part that is set must agree.

    ``alert_name_pattern`` is an RE2 expression for the whole name. ``exclude_noise`` and ``min_confidence`` look at the
    verdicts of an LLM only, and never keep back what its sender or a verdict calls critical. Outside ``active_times``
    (none: always) what is told waits.
    """

    severities: frozenset[Severity] = frozenset()
    namespaces: frozenset[str] = frozenset()
    exclude_noise: bool = True
    min_confidence: float = 0.0
    alert_name_pattern: str = ""
    matchers: tuple[Matcher, ...] = ()
    active_times: tuple[ActiveTime, ...] = ()
