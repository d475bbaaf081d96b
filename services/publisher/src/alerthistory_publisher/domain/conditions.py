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
from collections.abc import Callable, Mapping
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


Condition = Callable[[Subject], bool]


def read_conditions(content: bytes) -> Condition | None:
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
    return lambda subject: all(holds(subject) for holds in known)


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
