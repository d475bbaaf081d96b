"""The bodies for all kinds of receivers, against recordings of the older service."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerthistory_common.alerts import EventKind, Fingerprint, Instant, Severity
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats import pagerduty
from alerthistory_publisher.domain.formats.choice import FORMATS, format_of
from alerthistory_publisher.domain.targets import Target
from tests.events import FIRED_AT, event, verdict


def comparable(name: str) -> list[dict[str, Any]]:
    """Return the recordings of a format: our events always have a start, and nothing is beside a verdict."""
    cases = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return [case for case in cases if case["alert"]["starts_at"] and not case["enrichment_metadata"]]


CASES = [pytest.param(name, case, id=f"{name}-{case['case']}") for name in FORMATS for case in comparable(name)]


def publication(case: dict[str, Any]) -> Publication:
    """Return the recorded case in our words."""
    alert, said = case["alert"], case["classification"]
    told = event(
        kind=EventKind.FIRED if alert["status"] == "firing" else EventKind.RESOLVED,
        fingerprint=Fingerprint(alert["fingerprint"]),
        alert_name=alert["alert_name"],
        # In the order of the recording: ours come sorted.
        labels_json=json.dumps(alert["labels"]).encode(),
        annotations_json=json.dumps(alert["annotations"]).encode(),
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


@pytest.mark.parametrize(("name", "case"), CASES)
def test_body_equals_the_recording(name: str, case: dict[str, Any]) -> None:
    expected = case["body_json"]
    at = _instant(expected.get("timestamp", "2026-01-01T00:00:00") + "+00:00")
    ours = json.loads(FORMATS[name](publication(case), at=at))
    if name == "webhook" and "classification" in expected:  # Free-form: there it named the model, here the rules.
        assert isinstance(ours["classification"].pop("metadata"), dict)
        expected["classification"].pop("metadata")
    if name == "alertmanager" and case["case"].endswith("+warning-int"):  # There a whole number; ours is a float.
        assert ours["alerts"][0]["annotations"].pop("llm_classification_time") == "3.0"
        assert expected["alerts"][0]["annotations"].pop("llm_classification_time") == "3"
    assert ours == expected
    assert _keys(ours) == _keys(expected)


@pytest.mark.parametrize("name", FORMATS)
def test_most_recordings_are_comparable(name: str) -> None:
    assert len(comparable(name)) >= 20


@pytest.mark.parametrize("name", FORMATS)
def test_an_expired_alert_is_told_as_resolved(name: str) -> None:
    told = [FORMATS[name](Publication(event=event(kind=kind)), at=FIRED_AT) for kind in EventKind if kind.is_published]
    fired, refired, resolved, expired = told
    assert (fired, resolved) == (refired, expired)
    assert fired != resolved


@pytest.mark.parametrize("name", FORMATS)
def test_the_body_is_json_for_every_receiver(name: str) -> None:
    odd = b'{"a":NaN,"namespace":5,"severity":null,"job":["x"],"b":"\\ud800\xc3\xbc"}'
    written = FORMATS[name](Publication(event=event(labels_json=odd, annotations_json=b"null")), at=FIRED_AT)
    assert written.isascii()
    json.loads(written, parse_constant=pytest.fail)


def test_pagerduty_is_told_the_routing_key_of_its_target() -> None:
    target = Target(name="pd", format="pagerduty", url="https://events.example.com", routing_key="r0uting-key")
    assert json.loads(format_of(target)(Publication(event=event()), at=FIRED_AT))["routing_key"] == "r0uting-key"
    assert json.loads(pagerduty.body(Publication(event=event()), at=FIRED_AT))["routing_key"] == ""
    assert "r0uting-key" in target.secrets
    assert "r0uting-key" not in repr(target)


def _keys(value: object) -> object:
    """Return the keys of *value* in their order, at every level."""
    if isinstance(value, dict):
        return [(key, _keys(each)) for key, each in value.items()]
    return [_keys(each) for each in value] if isinstance(value, list) else None


def _instant(text: str) -> Instant:
    return Instant.from_datetime(datetime.fromisoformat(text))
