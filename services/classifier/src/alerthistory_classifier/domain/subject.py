"""The subject of a judgement: an event's labels and texts, read leniently, because a judge always answers."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerthistory_classifier.domain.injection import is_suspicious
from alerthistory_common.alerts import AlertEvent, HistoryContext

_MAX_TEXT = 4_000
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is judged. *wording* is the name, spelled out, and the texts in lower case, within a sensible length."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    wording: str
    history: HistoryContext


def subject(event: AlertEvent, history: HistoryContext, *, told: Sequence[str] = ()) -> Subject:
    """Return what is known of *event*. Labels or annotations that are no JSON object count as empty.

    The values of the labels *told* are read with the texts.
    """
    labels, annotations = _texts(event.labels_json), _texts(event.annotations_json)
    return _subject(event.alert_name, labels, annotations, history, told)


def without_orders(whole: Subject, *, told: Sequence[str] = ()) -> Subject:
    """Return *whole* without the texts that give orders to a model, itself when none does."""
    if not is_suspicious(["\n".join(_shortened([whole.name, *parts(whole.labels), *parts(whole.annotations)]))]):
        return whole
    name = "" if is_suspicious([whole.name[:_MAX_TEXT]]) else whole.name
    return _subject(name, _harmless(whole.labels), _harmless(whole.annotations), whole.history, told)


def _subject(
    name: str, labels: Mapping[str, str], annotations: Mapping[str, str], history: HistoryContext, told: Sequence[str]
) -> Subject:
    texts = [text for key, text in annotations.items() if "url" not in key]
    texts += [labels[name] for name in told if name in labels]
    wording = " \n ".join([_spelled_out(name), *_shortened(texts)])
    return Subject(
        name=name,
        labels=labels,
        annotations=annotations,
        wording=wording[: 2 * _MAX_TEXT].lower(),
        history=history,
    )


def _harmless(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if not is_suspicious(_shortened([key, text]))}


def _shortened(texts: Iterable[str]) -> list[str]:
    return [text[:_MAX_TEXT] for text in texts]


def parts(texts: Mapping[str, str]) -> list[str]:
    """Return names and values of *texts*."""
    return [part for pair in texts.items() for part in pair]


def words(text: str) -> list[str]:
    """Return the lower-case words of an identifier such as ``team-a_Prod.eu``."""
    return "".join(character if character.isalnum() else " " for character in text[:_MAX_TEXT].lower()).split()


def _texts(content: bytes) -> dict[str, str]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return {key: _text(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _spelled_out(name: str) -> str:
    """Return ``KubeAPIErrorBudget`` as ``Kube API Error Budget``."""
    return _HUMPS.sub(" ", name[:_MAX_TEXT])
