"""What formats say about an alert, and in the same words; what they write."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

from msgspec.structs import replace as changed

from alerthistory_common.alerts import AlertEvent, Fingerprint, Verdict
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.texts import mapped, plain, stable_key, whole

JSON = "application/json"
_MAX_DIGITS = 4000  # More, and Python refuses to read the number.


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A publication, its labels and annotations read.

    ``key`` is under which receivers know the alert. ``title`` and ``description`` are the operator's own words, empty
    for those of the format.
    """

    event: AlertEvent
    verdict: Verdict | None
    labels: dict[str, Any]
    annotations: dict[str, Any]
    key: str
    title: str = ""
    description: str = ""

    @property
    def is_firing(self) -> bool:
        """Whether the alert fires."""
        return self.event.kind.is_firing

    @property
    def status(self) -> str:
        """``firing`` or ``resolved``."""
        return "firing" if self.is_firing else "resolved"

    @property
    def namespace(self) -> str:
        """The namespace, empty when the alert names none."""
        return self.label("namespace")

    def label(self, name: str) -> str:
        """Return the label of this name as a text, empty when there is none."""
        return _text(self.labels.get(name))

    def annotation(self, name: str) -> str:
        """Return the annotation of this name as a text, empty when there is none."""
        return _text(self.annotations.get(name))

    def cleaned(self) -> "Content":
        """Return the same for people's eyes: see ``texts.plain``. The key stays as it is."""
        return replace(
            self,
            event=changed(
                self.event,
                alert_name=plain(self.event.alert_name),
                fingerprint=Fingerprint(plain(self.event.fingerprint)),
                generator_url=None if self.event.generator_url is None else plain(self.event.generator_url),
            ),
            verdict=None if self.verdict is None else _cleaned(self.verdict),
            labels=mapped(self.labels, plain),
            annotations=mapped(self.annotations, plain),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a format writes. ``path`` is what comes behind the path of the target's address."""

    body: bytes
    path: tuple[str, ...] = ()
    content_type: str = JSON


def read(publication: Publication) -> Content:
    """Return what *publication* says; raise ValueError or RecursionError when labels or annotations are not JSON.

    No text holds lone surrogates, and no number is infinite or none.
    """
    event, verdict = publication.event, publication.verdict
    labels, annotations = parsed(event.labels_json), parsed(event.annotations_json)
    return Content(
        event=changed(
            event,
            alert_name=whole(event.alert_name),
            fingerprint=Fingerprint(whole(event.fingerprint)),
            generator_url=None if event.generator_url is None else whole(event.generator_url),
        ),
        verdict=None if verdict is None else _finite(verdict),
        # What is no object has nothing to show.
        labels=labels if isinstance(labels, dict) else {},
        annotations=annotations if isinstance(annotations, dict) else {},
        key=stable_key(event.fingerprint),
    )


def parsed(content: bytes) -> Any:
    """Return the JSON *content*; raise ValueError or RecursionError when it is none.

    Numbers that JSON has no words for, or that nobody could read, come as texts: a receiver would refuse the body.
    """
    found = json.loads(content, parse_constant=str, parse_float=_decimal, parse_int=_integer)
    return mapped(found, whole)


def encode(document: object) -> bytes:
    """Return *document* as the JSON of the legacy contract: ASCII, with spaces."""
    return json.dumps(document, allow_nan=False).encode()


def _decimal(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) < _MAX_DIGITS else text


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _finite(verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        confidence=verdict.confidence if math.isfinite(verdict.confidence) else 0.0,
        reasoning=whole(verdict.reasoning),
        recommendations=tuple(whole(text) for text in verdict.recommendations),
    )


def _cleaned(verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        reasoning=plain(verdict.reasoning),
        recommendations=tuple(plain(text) for text in verdict.recommendations),
    )
