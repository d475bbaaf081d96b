"""What several formats say about an alert, and in the same words."""

import json
from dataclasses import dataclass
from typing import Any

from alerthistory_common.alerts import AlertEvent, Verdict
from alerthistory_publisher.domain.deliveries import Publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A publication, its labels and annotations read."""

    event: AlertEvent
    verdict: Verdict | None
    labels: dict[str, Any]
    annotations: dict[str, Any]

    @property
    def status(self) -> str:
        """``firing`` or ``resolved``."""
        return "firing" if self.event.kind.is_firing else "resolved"

    @property
    def namespace(self) -> str:
        """The namespace, empty when the alert names none."""
        return self.label("namespace")

    def label(self, name: str) -> str:
        """Return the label of this name as a text, empty when there is none."""
        value = self.labels.get(name)
        return "" if value is None else str(value)


def read(publication: Publication) -> Content:
    """Return what *publication* says; raise ValueError or RecursionError when labels or annotations are not JSON."""
    return Content(
        event=publication.event,
        verdict=publication.verdict,
        labels=_object(publication.event.labels_json),
        annotations=_object(publication.event.annotations_json),
    )


def cut(text: str, length: int) -> str:
    """Return *text*, a longer one than *length* cut and ended by three dots."""
    return text if len(text) <= length else text[: length - 3] + "..."


def percent(confidence: float) -> str:
    """Return *confidence* in whole percent, halves to the even one."""
    return f"{confidence * 100:.0f}%"


def _object(content: bytes) -> dict[str, Any]:
    # NaN and Infinity are no JSON; a receiver would refuse the whole body. What is no object has nothing to show.
    found = json.loads(content, parse_constant=str)
    return found if isinstance(found, dict) else {}
