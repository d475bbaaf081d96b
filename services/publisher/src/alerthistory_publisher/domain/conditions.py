"""What a filter rule looks for: a small vocabulary. What is not in it matches nothing.

| condition | matches |
|---|---|
| ``severity`` | an LLM's verdict with this severity, or one of these |
| ``min_confidence`` | an LLM's verdict with at least this confidence |
| ``max_confidence`` | an LLM's verdict with less than this confidence |
| ``namespace``, ``namespaces`` | the label ``namespace`` is this, or one of these |
| ``alert_name`` | the alert's name fits this pattern (``*``, ``?``, ``[…]``), or one of these |
| ``labels`` | every label named here is this, or one of these |

All conditions of a rule must hold; none at all matches everything.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

from alerthistory_common.alerts import Severity, Verdict
from alerthistory_publisher.domain.deliveries import Publication

_RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What rules see of an event. Labels that cannot be read count as none."""

    alert_name: str
    labels: Mapping[str, Any]
    verdict: Verdict | None

    @classmethod
    def of(cls, publication: Publication) -> Self:
        """Return what rules see of *publication*."""
        try:
            labels = json.loads(publication.event.labels_json)
        except (ValueError, RecursionError):
            labels = {}
        return cls(
            alert_name=publication.event.alert_name,
            labels=labels if isinstance(labels, dict) else {},
            verdict=publication.verdict,
        )

    @property
    def opinion(self) -> Verdict | None:
        """The verdict of an LLM: the rules know too little of confidence and noise to silence anybody."""
        return self.verdict if self.verdict is not None and self.verdict.source != _RULES else None

    @property
    def is_critical(self) -> bool:
        """Whether the sender's label or the verdict, whoever gave it, says so."""
        label: Any = self.labels.get("severity")
        is_labelled = isinstance(label, str) and label.strip().lower() == Severity.CRITICAL
        return is_labelled or (self.verdict is not None and self.verdict.severity is Severity.CRITICAL)

    def label(self, name: str) -> str:
        """Return the label of this name, empty when there is none or it is no text."""
        value = self.labels.get(name)
        return value if isinstance(value, str) else ""


Condition = Callable[[Subject], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a rule looks for. ``asks_verdict``: whether any of it depends on what a verdict says."""

    all_of: Sequence[Condition]
    asks_verdict: bool

    def hold(self, subject: Subject) -> bool:
        """Whether all of them do."""
        return all(holds(subject) for holds in self.all_of)


def read_conditions(content: bytes) -> Conditions | None:
    """Return what the JSON object *content* looks for; None when this version does not understand all of it."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    conditions = [_read(name, value) for name, value in found.items()]
    known = [condition for condition in conditions if condition is not None]
    if len(known) < len(conditions):
        return None
    return Conditions(all_of=known, asks_verdict=not _OF_VERDICTS.isdisjoint(found))


def _read(name: str, value: Any) -> Condition | None:
    read = _VOCABULARY.get(name)
    return None if read is None else read(value)


def _severity(value: Any) -> Condition | None:
    wanted = _texts(value)
    if wanted is None or not wanted <= {each.value for each in Severity}:
        return None
    return lambda subject: subject.opinion is not None and subject.opinion.severity.value in wanted


def _min_confidence(value: Any) -> Condition | None:
    if not _is_number(value):
        return None
    return lambda subject: subject.opinion is not None and subject.opinion.confidence >= value


def _max_confidence(value: Any) -> Condition | None:
    if not _is_number(value):
        return None
    return lambda subject: subject.opinion is not None and subject.opinion.confidence < value


def _namespace(value: Any) -> Condition | None:
    return _labels({"namespace": value})


def _alert_name(value: Any) -> Condition | None:
    patterns = _texts(value)
    if patterns is None:
        return None
    return lambda subject: any(fnmatchcase(subject.alert_name, pattern) for pattern in patterns)


def _labels(value: Any) -> Condition | None:
    if not isinstance(value, dict):
        return None
    wanted = {name: texts for name, each in value.items() if (texts := _texts(each)) is not None}
    if len(wanted) < len(value):
        return None
    return lambda subject: all(_is_one_of(subject.labels.get(name), texts) for name, texts in wanted.items())


def _is_one_of(value: Any, texts: frozenset[str]) -> bool:
    return isinstance(value, str) and value in texts


def _texts(value: Any) -> frozenset[str] | None:
    """Return the text, or the texts of the list, that *value* is; None when it is something else."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None
    return frozenset(texts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_VOCABULARY: Mapping[str, Callable[[Any], Condition | None]] = {
    "severity": _severity,
    "min_confidence": _min_confidence,
    "max_confidence": _max_confidence,
    "namespace": _namespace,
    "namespaces": _namespace,
    "alert_name": _alert_name,
    "labels": _labels,
}
_OF_VERDICTS = frozenset({"severity", "min_confidence", "max_confidence"})
