"""The body for generic receivers, against recordings of the older service."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerthistory_common.alerts import EventKind, Fingerprint, Instant, Severity
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.webhook import body
from tests.events import event, verdict

_CASES = json.loads((Path(__file__).parent / "webhook.json").read_text(encoding="utf-8"))["cases"]
# Our events always have a start, and nothing puts enrichment data beside a verdict.
CASES = [case for case in _CASES if case["alert"]["starts_at"] and not case["enrichment_metadata"]]


def publication(case: dict[str, Any]) -> Publication:
    """Return the recorded case in our words."""
    alert, said = case["alert"], case["classification"]
    told = event(
        kind=EventKind.FIRED if alert["status"] == "firing" else EventKind.RESOLVED,
        fingerprint=Fingerprint(alert["fingerprint"]),
        alert_name=alert["alert_name"],
        labels=alert["labels"],
        annotations=alert["annotations"],
        starts_at=_instant(alert["starts_at"]),
        ends_at=_instant(alert["ends_at"]) if alert["ends_at"] else None,
        generator_url=alert["generator_url"],
    )
    if said is None:
        return Publication(event=told)
    given = verdict(
        severity=Severity(said["severity"]),
        confidence=said["confidence"],
        reasoning=said["reasoning"],
        recommendations=tuple(said["recommendations"]),
        processing_time=timedelta(seconds=said["processing_time"]),
    )
    return Publication(event=told, verdict=given)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_body_equals_the_recording(case: dict[str, Any]) -> None:
    expected = case["body_json"]
    ours = json.loads(body(publication(case), at=_instant(expected["timestamp"] + "+00:00")))
    if "classification" in expected:  # Free-form by design: there it named the model, here the rules.
        assert isinstance(ours["classification"].pop("metadata"), dict)
        expected["classification"].pop("metadata")
    assert ours == expected
    assert list(ours) == list(expected)


def test_most_recordings_are_comparable() -> None:
    assert len(CASES) >= 20


def test_an_expired_alert_is_told_as_resolved() -> None:
    assert json.loads(body(Publication(event=event(kind=EventKind.EXPIRED)), at=Instant(0)))["alert"]["status"] == (
        "resolved"
    )


def test_the_body_is_json_for_every_receiver() -> None:
    told = Publication(event=event(labels_json='{"a":NaN,"b":"ü💥"}'.encode(), annotations_json=b"null"))
    written = body(told, at=Instant(0))
    assert written.isascii()
    assert json.loads(written, parse_constant=pytest.fail)["alert"]["labels"] == {"a": "NaN", "b": "ü💥"}


def _instant(text: str) -> Instant:
    return Instant.from_datetime(datetime.fromisoformat(text))
