"""The bodies for all kinds of receivers, against recordings of the older service where they are to stay equal.

``slack`` is not among them any more: it is Block Kit now, see ``test_slack``.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerthistory_common.alerts import EventKind, Fingerprint, Instant, Severity
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.choice import FORMATS, TEMPLATED
from alerthistory_publisher.domain.formats.pagerduty import MAX_BYTES
from alerthistory_publisher.domain.formats.texts import KEY_LENGTH, cut, plain, stable_key, web_link
from tests.events import event, verdict
from tests.unit.publisher.letters import claim, document, ended, packed, target

RECORDED = ("alertmanager", "pagerduty", "rootly", "webhook")


def comparable(name: str) -> list[dict[str, Any]]:
    """Return the recordings of a format: our events always have a start, and nothing is beside a verdict."""
    cases = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return [case for case in cases if case["alert"]["starts_at"] and not case["enrichment_metadata"]]


CASES = [pytest.param(name, case, id=f"{name}-{case['case']}") for name in RECORDED for case in comparable(name)]


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
    given_then = verdict(
        severity=Severity(said["severity"]),
        confidence=said["confidence"],
        reasoning=said["reasoning"],
        recommendations=tuple(said["recommendations"]),
        processing_time=timedelta(seconds=said["processing_time"]),
    )
    return Publication(event=told, verdict=given_then)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_body_equals_the_recording(name: str, case: dict[str, Any]) -> None:
    expected = case["body_json"]
    at = _instant(expected.get("timestamp", "2026-01-01T00:00:00") + "+00:00")
    ours = document(claim(publication=publication(case), ordered_at=at), target(name))
    if name == "webhook" and "classification" in expected:  # Free-form: there it named the model, here the rules.
        assert isinstance(ours["classification"].pop("metadata"), dict)
        expected["classification"].pop("metadata")
    if name == "alertmanager" and case["case"].endswith("+warning-int"):  # There a whole number; ours is a float.
        assert ours["alerts"][0]["annotations"].pop("llm_classification_time") == "3.0"
        assert expected["alerts"][0]["annotations"].pop("llm_classification_time") == "3"
    assert ours == expected
    assert _keys(ours) == _keys(expected)


@pytest.mark.parametrize("name", RECORDED)
def test_most_recordings_are_comparable(name: str) -> None:
    assert len(comparable(name)) >= 20


@pytest.mark.parametrize("name", FORMATS)
def test_an_expired_alert_is_told_as_resolved(name: str) -> None:
    kinds = [kind for kind in EventKind if kind.is_published]
    told = [packed(claim(event(kind=kind), thread="1.2"), target(name)) for kind in kinds]
    fired, refired, resolved, expired = [(each.url, each.body) for each in told]
    assert (fired, resolved) == (refired, expired)
    assert fired != resolved


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_carries_verdict_confidence_reasoning_and_recommendations(name: str) -> None:
    said = verdict(severity=Severity.NOISE, confidence=0.875, reasoning="R3ason", recommendations=("Rec0mmended",))
    body = packed(claim(verdict=said), target(name)).body.decode()
    assert "noise" in body.lower()
    assert "0.875" in body or "88%" in body
    assert "R3ason" in body
    assert "Rec0mmended" in body


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "labels",
    [
        b'{"a":NaN,"b":Infinity,"c":1e999,"d":-Infinity}',
        b'{"namespace":5,"severity":null,"job":["x"],"instance":{"a":true}}',
        b'{"namespace":"\\ud800\xc3\xbc","\\udfff":"\\u0000\\u001b[31m\\u202e"}',
        b'{"n":' + b"9" * 5000 + b"}",
        b"[1]",
        b"null",
    ],
)
def test_odd_labels_can_be_told_to_every_receiver(name: str, labels: bytes) -> None:
    assert document(claim(event(labels_json=labels, annotations_json=labels)), target(name))


@pytest.mark.parametrize("name", FORMATS)
def test_an_odd_alert_and_verdict_can_be_told_to_every_receiver(name: str) -> None:
    odd = "\ud800\x00\u202e\x1b"
    said = verdict(confidence=float("nan"), reasoning=odd, recommendations=(odd,))
    told = event(labels={}, alert_name=odd, fingerprint=Fingerprint(odd), generator_url=odd)
    assert document(claim(told, said), target(name))


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_json_cannot_be_told(name: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        packed(claim(event(labels_json=b"{")), target(name))


ANYTHING = st.text(st.characters(), max_size=200).map(lambda text: text * (1 + len(text) % 50))


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=50)
@given(texts=st.tuples(ANYTHING, ANYTHING, ANYTHING, ANYTHING), is_firing=st.booleans())
def test_whatever_an_alert_says_the_body_is_json_that_utf_8_can_hold(
    name: str, texts: tuple[str, ...], is_firing: bool
) -> None:
    first, second, third, fourth = texts
    labels = json.dumps({"alertname": first, "namespace": second, third: fourth}).encode()
    told = (event if is_firing else ended)(
        labels={},
        alert_name=first,
        fingerprint=Fingerprint(second),
        generator_url=third,
        labels_json=labels,
        annotations_json=json.dumps({"summary": fourth, "runbook_url": first}).encode(),
    )
    said = verdict(reasoning=third, recommendations=(fourth, first))
    assert document(claim(told, said, thread="1.2"), target(name))


@pytest.mark.parametrize(("name", "limit"), [("pagerduty", MAX_BYTES), ("slack", 64_000), ("rootly-api", 200_000)])
def test_a_megabyte_of_annotations_stays_within_the_limits(name: str, limit: int) -> None:
    huge = {f"{number}": "😀<&>" * 250_000 for number in range(2)}
    said = verdict(reasoning="y" * 1_000_000, recommendations=("z" * 1_000_000,))
    told = event(labels=huge | {"alertname": "x" * 1_000_000}, annotations=huge | {"description": "d" * 1_000_000})
    assert len(packed(claim(told, said), target(name)).body) < limit


@pytest.mark.parametrize("name", ["rootly", "rootly-simple"])
def test_rootly_is_told_a_bounded_description(name: str) -> None:
    told = event(labels={"a": "x" * 1_000_000})
    assert len(packed(claim(told), target(name)).body) < 60_000


@pytest.mark.parametrize("name", ["alertmanager", "webhook"])
def test_machines_are_told_everything_as_it_came(name: str) -> None:
    annotations = {"long": "x" * 1_000_000, "odd": "\x00\u202e<!channel>"}
    found = document(claim(event(annotations=annotations)), target(name))
    alert = found["alert"] if name == "webhook" else found["alerts"][0]
    assert alert["annotations"] == annotations


@pytest.mark.parametrize("name", sorted(TEMPLATED))
def test_titles_are_on_one_line(name: str) -> None:
    told = event(labels={"alertname": " Two \n\t lines "})
    found = document(claim(told), target(name))
    path: dict[str, tuple[str | int, ...]] = {
        "pagerduty": ("payload", "summary"),
        "rootly": ("incident", "title"),
        "rootly-api": ("data", "attributes", "summary"),
        "rootly-simple": ("title",),
        "slack": ("blocks", 0, "text", "text"),
    }
    for step in path[name]:
        found = found[step]
    assert "Two lines" in found


@pytest.mark.parametrize("name", sorted(TEMPLATED))
def test_people_are_not_given_links_that_lead_elsewhere(name: str) -> None:
    told = event(generator_url="javascript:alert(1)", annotations={"runbook_url": "data:text/html,x"})
    found = document(claim(told), target(name))
    match name:
        case "pagerduty":
            assert found["links"] == []
        case "rootly":
            assert found["incident"]["custom_fields"]["generator_url"] == ""
        case "rootly-api":
            assert "external_url" not in found["data"]["attributes"]
        case "slack":
            assert "|Source" not in str(found)
            assert "|Runbook" not in str(found)


# PagerDuty


def test_pagerduty_is_told_the_routing_key_of_its_target() -> None:
    to = target("pagerduty", routing_key="r0uting-key")
    assert document(claim(), to)["routing_key"] == "r0uting-key"
    assert document(claim(), target("pagerduty"))["routing_key"] == ""
    assert "r0uting-key" in to.secrets
    assert "r0uting-key" not in repr(to)


def test_pagerduty_is_told_a_summary_that_still_names_place_and_verdict() -> None:
    told = event(labels={"alertname": "x" * 2000, "namespace": "prod"})
    summary = document(claim(told, verdict()), target("pagerduty"))["payload"]["summary"]
    assert len(summary) == 1024
    assert summary.endswith("... in prod (AI: warning)")


def test_an_event_too_long_for_pagerduty_keeps_the_verdict_and_says_what_is_missing() -> None:
    told = event(annotations={"description": "x" * 600_000})
    found = document(claim(told, verdict(reasoning="Because.")), target("pagerduty"))
    details = found["payload"]["custom_details"]
    assert details["note"].startswith("The labels and annotations are too long")
    assert details["llm_classification"]["reasoning"] == "Because."
    assert "annotations" not in details


def test_an_event_just_short_enough_for_pagerduty_is_left_alone() -> None:
    empty = len(packed(claim(event(annotations={"d": ""})), target("pagerduty")).body)
    for spare, name in ((0, "annotations"), (-1, "note")):
        told = event(annotations={"d": "x" * (MAX_BYTES - empty - spare)})
        assert name in document(claim(told), target("pagerduty"))["payload"]["custom_details"]


def test_pagerduty_recognises_the_alert_by_a_key_that_no_start_changes() -> None:
    long = Fingerprint("cluster-a/" + "x" * 300)
    fired = document(claim(event(fingerprint=long)), target("pagerduty"))["dedup_key"]
    resolved = document(claim(ended(fingerprint=long, starts_at=Instant(5))), target("pagerduty"))["dedup_key"]
    assert fired == resolved
    assert fired.startswith("cluster-a/")
    assert len(fired) <= KEY_LENGTH


# Rootly


def test_rootly_simple_is_flat() -> None:
    told = event(labels={"alertname": "A", "namespace": "prod", "severity": "critical", "n": 5})
    found = document(claim(told), target("rootly-simple"))
    assert list(found) == ["title", "description", "severity", "labels", "source"]
    assert (found["title"], found["severity"], found["source"]) == (
        "[A] Alert in prod",
        "critical",
        "alert-history-llm",
    )
    assert found["labels"] == {"alertname": "A", "namespace": "prod", "severity": "critical", "n": "5"}
    assert document(claim(ended()), target("rootly-simple"))["title"].startswith("RESOLVED: [HighLatency]")


@pytest.mark.parametrize("name", ["rootly-api", "rootly-simple"])
def test_rootly_is_told_what_the_alert_itself_says(name: str) -> None:
    told = event(annotations={"summary": "Disk is full.", "description": "On db-1."})
    found = document(claim(told), target(name))
    described = (found if name == "rootly-simple" else found["data"]["attributes"])["description"]
    assert described.startswith("Disk is full.\n\nOn db-1.\n\n**Alert:** HighLatency")
    own = document(claim(told), target(name, description="Own"))
    assert (own if name == "rootly-simple" else own["data"]["attributes"])["description"] == "Own"


def test_rootly_api_makes_an_alert_under_its_key() -> None:
    told = event(labels={"alertname": "A", "team": "x"}, generator_url="https://prometheus.example.com/g")
    parcel = packed(claim(told, verdict()), target("rootly-api", url="https://api.example.com/v1/alerts"))
    assert (parcel.method, parcel.url) == ("POST", "https://api.example.com/v1/alerts")
    assert parcel.headers["Content-Type"] == "application/vnd.api+json"
    data = json.loads(parcel.body)["data"]
    attributes = data["attributes"]
    assert data["type"] == "alerts"
    assert attributes["external_id"] == attributes["deduplication_key"] == "00000000000000a1"
    assert attributes["external_url"] == "https://prometheus.example.com/g"
    assert attributes["started_at"] == "2025-10-09T08:53:20+00:00"
    assert {"key": "team", "value": "x"} in attributes["labels"]
    assert attributes["data"]["verdict"]["recommendations"] == ["Look at it."]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/v1/alerts", "https://api.example.com/v1/alerts/a%2Fb/resolve"),
        ("https://api.example.com/v1/alerts/?team=x", "https://api.example.com/v1/alerts/a%2Fb/resolve?team=x"),
    ],
)
def test_rootly_api_resolves_under_the_identity_that_it_gave(url: str, expected: str) -> None:
    parcel = packed(claim(ended(), thread="a/b"), target("rootly-api", url=url))
    assert (parcel.method, parcel.url) == ("POST", expected)
    assert json.loads(parcel.body)["data"]["type"] == "alerts"


def test_rootly_api_cannot_resolve_what_has_no_identity() -> None:
    with pytest.raises(ValueError, match="unknown identity"):
        packed(claim(ended()), target("rootly-api"))


# Texts


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("https://example.com/a?b=c#d", True),
        ("HTTP://example.com", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt://example.com/%0aalert(1)", False),
        ("data:text/html,x", False),
        ("//example.com", False),
        ("https:///path", False),
        ("https://[::1", False),
        ("https://example.com/a b", False),
        ("https://example.com/\n", False),
        ("https://example.com/\u202e", False),
        ("https://example.com/" + "x" * 2048, False),
        ("", False),
        (None, False),
    ],
)
def test_only_short_addresses_of_the_web_are_links(url: str | None, is_shown: bool) -> None:
    assert web_link(url) == (url if is_shown else "")


def test_plain_text_shows_what_would_act() -> None:
    assert plain("a\x00b\x1b[31m\x85\r\nc\rd\u2028e\tf\u202e\u2066g\ufeff\ud800") == (
        "a\ufffdb\ufffd[31m\ufffd\nc\nd\ne\tfg\ufffd"
    )
    assert plain("שלום 👩\u200d💻 ü") == "שלום 👩\u200d💻 ü"


@given(st.text(st.characters(), max_size=400), st.text(st.characters(), max_size=400))
def test_keys_are_stable_short_printable_and_as_different_as_the_alerts(one: str, other: str) -> None:
    assert stable_key(one) == stable_key(one)
    assert len(stable_key(one)) <= KEY_LENGTH
    stable_key(one).encode()
    assert (stable_key(one) == stable_key(other)) == (one == other)


def test_a_usual_fingerprint_is_its_own_key() -> None:
    assert stable_key("9f1c2d3e4f5a6b7c") == "9f1c2d3e4f5a6b7c"
    assert stable_key("x" * 255) == "x" * 255
    assert stable_key("x" * 256) != "x" * 256
    assert cut("x" * 256, 255) == "x" * 252 + "..."


def _keys(value: object) -> object:
    """Return the keys of *value* in their order, at every level."""
    if isinstance(value, dict):
        return [(key, _keys(each)) for key, each in value.items()]
    return [_keys(each) for each in value] if isinstance(value, list) else None


def _instant(text: str) -> Instant:
    return Instant.from_datetime(datetime.fromisoformat(text))
