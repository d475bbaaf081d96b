"""Filter rules: which alerts are kept from which targets. A rule can only ever silence what is safe to silence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alerthistory_publisher.domain.conditions import Conditions, Subject, read_conditions

DEFAULT_PRIORITY = 100


class FilterAction(StrEnum):
    """What a rule does with the alerts that it matches."""

    ALLOW = "allow"
    DENY = "deny"
    DELAY = "delay"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRule:
    """One rule. ``conditions_json`` is a JSON object (see ``conditions``); an empty target means every target."""

    name: str
    action: FilterAction
    conditions_json: bytes = b"{}"
    priority: int = DEFAULT_PRIORITY
    is_enabled: bool = True
    target: str = ""


class RuleBook:
    """Rules ready to be asked. Of those that match, the one with the lowest priority decides.

    Among equal priorities a target's own rule comes before one for all, an older before a younger one. Rules that look
    at the verdict do not keep back or delay what is critical: for those alerts they do not match.
    """

    def __init__(self, rules: Iterable[FilterRule]) -> None:
        enabled = sorted((rule for rule in rules if rule.is_enabled), key=lambda rule: (rule.priority, not rule.target))
        self._rules: Sequence[tuple[FilterRule, Conditions]] = [
            (rule, conditions) for rule in enabled if (conditions := read_conditions(rule.conditions_json)) is not None
        ]

    def deciding(self, subject: Subject, target: str) -> FilterRule | None:
        """Return the rule that decides about *subject* at *target*, None when none matches."""
        for rule, conditions in self._rules:
            if rule.target not in ("", target) or not conditions.hold(subject):
                continue
            if not (subject.is_critical and conditions.asks_verdict and rule.action is not FilterAction.ALLOW):
                return rule
        return None
