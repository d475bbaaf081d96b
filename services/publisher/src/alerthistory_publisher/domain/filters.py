"""Filter rules: which alerts are kept from which targets. A rule can only ever silence what is safe to silence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alerthistory_common.alerts import Severity
from alerthistory_publisher.domain.conditions import Condition, Subject, read_conditions

DEFAULT_PRIORITY = 100
_CRITICAL = Severity.CRITICAL.value


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

    Among equal priorities a target's own rule comes before one for all, an older before a younger one.
    """

    def __init__(self, rules: Iterable[FilterRule]) -> None:
        enabled = sorted((rule for rule in rules if rule.is_enabled), key=lambda rule: (rule.priority, not rule.target))
        self._rules: Sequence[tuple[FilterRule, Condition]] = [
            (rule, condition) for rule in enabled if (condition := read_conditions(rule.conditions_json)) is not None
        ]

    def deciding(self, subject: Subject, target: str) -> FilterRule | None:
        """Return the rule that decides about *subject* at *target*, None when none matches."""
        for rule, matches in self._rules:
            if rule.target in ("", target) and matches(subject):
                return rule
        return None

    def denying(self, subject: Subject, target: str) -> FilterRule | None:
        """Return the rule that keeps *subject* from *target*, None when it is published.

        What its sender or the verdict calls critical is always published. ``delay`` publishes at once in this version.
        """
        if is_critical(subject):
            return None
        rule = self.deciding(subject, target)
        return rule if rule is not None and rule.action is FilterAction.DENY else None


def is_critical(subject: Subject) -> bool:
    """Whether the sender's label or the verdict, whoever gave it, says so."""
    label: Any = subject.labels.get("severity")
    is_labelled = isinstance(label, str) and label.strip().lower() == _CRITICAL
    return is_labelled or (subject.verdict is not None and subject.verdict.severity is Severity.CRITICAL)
