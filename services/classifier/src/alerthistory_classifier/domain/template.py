"""What alerts have in common that differ in nothing but what changes from one instance to the next."""

import json
import re
from collections.abc import Mapping

# The letters of Kubernetes' generated names: no vowels, so that they spell nothing.
_GENERATED = "[bcdfghjklmnpqrstvwxz2456789]"
_VOLATILE = (
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"), "<uuid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d| UTC)?)?"), "<time>"),
    (re.compile(r"\b(?:\d{1,3}[.-]){3}\d{1,3}\b(?::\d+)?"), "<ip>"),
    (re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}(?::?[0-9a-fA-F]{1,4})?(?:::)?(?![\w:])"), "<ip>"),
    (re.compile(rf"-{_GENERATED}{{6,10}}-{_GENERATED}{{5}}\b"), "-<pod>"),
    (re.compile(r"-[0-9a-f]{8,10}-[a-z0-9]{5}\b"), "-<pod>"),
    (re.compile(rf"-(?=[a-z]*\d){_GENERATED}{{5}}\b"), "-<pod>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{8,64}\b"), "<hex>"),
)
# "5xx" and "4xx" are not numbers: they say who is at fault.
_NUMBER = re.compile(r"[-+]?(?<![0-9])\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?(?!xx)")
_NAME = "alertname"


def template(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """Return the labels and annotations as JSON, without what is volatile: generated names, addresses, times, numbers.

    The alert's name stays as it is. Two alerts of one template may still differ in what their numbers mean: see
    ``RuleBook.situation``.
    """
    return json.dumps([_steady(labels), _steady(annotations)], ensure_ascii=False, separators=(",", ":"))


def _steady(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: text if key == _NAME else _without_volatile(text) for key, text in sorted(texts.items())}


def _without_volatile(text: str) -> str:
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return _NUMBER.sub("#", text)
