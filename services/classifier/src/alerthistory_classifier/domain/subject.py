"""The subject of a judgement: an event's labels and texts, read leniently, because a judge always answers."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    texts = [text[:_MAX_TEXT] for key, text in annotations.items() if "url" not in key]
    texts += [labels[name][:_MAX_TEXT] for name in told if name in labels]
    return Subject(
        name=event.alert_name,
        labels=labels,
        annotations=annotations,
        wording=" \n ".join([_spelled_out(event.alert_name), *texts])[: 2 * _MAX_TEXT].lower(),
        history=history,
    )


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
