"""What a language model says about an alert, read strictly: nothing it writes is taken on trust."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerthistory_classifier.domain.clean_text import without_invisible
from alerthistory_common.alerts import Severity

MAX_RECOMMENDATIONS = 5
_MAX_REASONING = 2_000
_MAX_RECOMMENDATION = 500
_MAX_TAGS = 20
_MAX_TAG = 100
_NOTHING_SAID = "No reasoning provided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer cost, in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class UnusableAnswerError(ValueError):
    """The model answered, and nothing can be made of it. ``legacy_text`` is what the older service said of it."""

    def __init__(self, message: str, legacy_text: str = "") -> None:
        super().__init__(message)
        self.legacy_text = legacy_text or message
        self.usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a model says. ``confidence`` is 0-1; ``said_confidence`` is what it wrote."""

    severity: Severity
    confidence: float
    said_confidence: float
    reasoning: str
    recommendations: tuple[str, ...] = ()
    category: str = ""
    tags: tuple[str, ...] = ()
    usage: Usage = Usage()


def read_opinion(content: str, usage: Usage) -> Opinion:
    """Return the opinion in the JSON text *content*; raise UnusableAnswerError when it is not what was asked for."""
    found = _object(content)
    severity, said, reasoning = (_required(found, name) for name in ("severity", "confidence", "reasoning"))
    confidence = _confidence(said)
    return Opinion(
        severity=_severity(severity),
        confidence=min(max(confidence, 0.0), 1.0),
        said_confidence=confidence,
        reasoning=_text(reasoning, _MAX_REASONING) or _NOTHING_SAID,
        recommendations=_texts(found.get("recommendations"), MAX_RECOMMENDATIONS, _MAX_RECOMMENDATION),
        category=_text(found.get("category"), _MAX_TAG),
        tags=_texts(found.get("tags"), _MAX_TAGS, _MAX_TAG),
        usage=usage,
    )


def _object(content: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise UnusableAnswerError(f"it is not JSON: {error}", str(error)) from error
    except RecursionError as error:
        raise UnusableAnswerError("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise UnusableAnswerError("it is not an object")
    return found


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnusableAnswerError("it says something twice")
    return found


def _no_number(word: str) -> float:
    raise UnusableAnswerError(f"it holds {word}")


def _required(found: Mapping[str, Any], name: str) -> Any:
    if name not in found:
        raise UnusableAnswerError(f"it has no {name}", repr(name))
    return found[name]


def _severity(value: Any) -> Severity:
    word = value.strip().lower() if isinstance(value, str) else value
    try:
        return Severity(word)
    except ValueError as error:
        raise UnusableAnswerError(
            f"its severity is none: {str(word)[:50]!r}", f"{str(word)[:50]!r} is not a valid AlertSeverity"
        ) from error


def _confidence(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnusableAnswerError("its confidence is no number")
    try:
        confidence = float(value)
    except (ValueError, OverflowError) as error:
        raise UnusableAnswerError(f"its confidence is no number: {str(value)[:50]!r}") from error
    if not math.isfinite(confidence):
        raise UnusableAnswerError("its confidence is not finite")
    return confidence


def _text(value: Any, limit: int) -> str:
    return without_invisible(value).strip()[:limit] if isinstance(value, str) else ""


def _texts(value: Any, count: int, limit: int) -> tuple[str, ...]:
    """Return the texts in *value*, at most *count*; what is no list of texts holds none."""
    texts = [_text(each, limit) for each in value] if isinstance(value, list) else []
    return tuple(text for text in texts if text)[:count]
