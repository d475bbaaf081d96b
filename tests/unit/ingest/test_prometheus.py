"""What Prometheus posts to ``/api/v2/alerts``: taken and refused as Alertmanager does."""

from typing import Any

import pytest
from hypothesis import given

from alerthistory_common.alerts import Instant
from alerthistory_ingest.domain.payload import PayloadFormat
from tests.unit.ingest.reading import NOW, only, only_refusal, read, read_prometheus
from tests.unit.ingest.test_json_text import JSON_VALUES

_BEFORE, _JUST_BEFORE, _AFTER = "2026-01-02T03:00:00Z", "2026-01-02T03:04:05Z", "2026-01-02T03:08:00.5Z"
_AFTER_INSTANT = Instant(1_767_323_280_500_000)
_MINUTE = 60_000_000


def _alert(**fields: Any) -> dict[str, Any]:
    return {"labels": {"alertname": "Up", "job": "a"}, "startsAt": _BEFORE, "endsAt": _AFTER, **fields}


def test_an_end_in_the_future_is_a_lease() -> None:
    report = only(read_prometheus(_alert()))
    assert report.is_firing
    assert report.lease_expires_at == _AFTER_INSTANT
    assert report.ends_at is None


def test_an_end_in_the_past_resolves() -> None:
    report = only(read_prometheus(_alert(endsAt=_JUST_BEFORE)))
    assert not report.is_firing
    assert report.ends_at == Instant(1_767_323_045_000_000)
    assert report.lease_expires_at is None


def test_an_end_at_the_time_of_receipt_resolves() -> None:
    report = only(read_prometheus(_alert(endsAt="2026-01-02T03:04:05.000007890Z")))
    assert (report.is_firing, report.ends_at) == (False, NOW)


@pytest.mark.parametrize("missing", [None, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"])
def test_a_missing_end_is_a_lease_for_the_resolve_timeout(missing: str | None) -> None:
    report = only(read_prometheus(_alert(endsAt=missing)))
    assert report.is_firing
    assert report.lease_expires_at == Instant(NOW.micros + 5 * _MINUTE, NOW.nanos)


@pytest.mark.parametrize("missing", [None, "", "0001-01-01T00:00:00Z"])
def test_a_missing_start_is_now_or_the_end_if_that_is_earlier(missing: str | None) -> None:
    assert only(read_prometheus(_alert(startsAt=missing))).starts_at == NOW
    resolved = only(read_prometheus(_alert(startsAt=missing, endsAt=_JUST_BEFORE)))
    assert resolved.starts_at == resolved.ends_at


def test_a_start_after_the_end_is_broken() -> None:
    found = read_prometheus(_alert(startsAt=_AFTER, endsAt=_BEFORE))
    assert only_refusal(found) == "start time must be before end time"


def test_empty_labels_are_dropped_before_the_fingerprint_is_taken() -> None:
    with_empty = only(read_prometheus(_alert(labels={"alertname": "Up", "job": "a", "x": ""})))
    without = only(read_prometheus(_alert()))
    assert with_empty.labels_json == without.labels_json == b'{"alertname":"Up","job":"a"}'
    assert with_empty.fingerprint == without.fingerprint


@pytest.mark.parametrize("labels", [{}, None, {"a": ""}])
def test_at_least_one_label_is_needed(labels: object) -> None:
    assert only_refusal(read_prometheus(_alert(labels=labels))) == "at least one label pair required"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"labels": []}, "labels must be an object, not a list"),
        ({"labels": {"a": 5}}, "labels: the value of 'a' must be a text, not a number"),
        ({"labels": {"": "x"}}, 'invalid label set: invalid name ""'),
        ({"labels": {"a": "\ud800"}}, "a text holds a lone surrogate, which is no character"),
        ({"annotations": "x"}, "annotations must be an object, not a text"),
        ({"annotations": {"a": None}}, "annotations: the value of 'a' must be a text, not null"),
        ({"generatorURL": 5}, "generatorURL must be a text, not a number"),
        ({"startsAt": 5}, "startsAt must be a text, not a number"),
        ({"endsAt": "soon"}, "endsAt is not a time: 'soon'"),
    ],
)
def test_broken_alerts_say_why(fields: dict[str, Any], reason: str) -> None:
    found = read_prometheus(_alert(), _alert(**fields))
    assert len(found.alerts) == 1
    assert [(each.index, each.message) for each in found.refusals] == [(1, reason)]


def test_the_sender_is_prometheus_at_its_peer() -> None:
    assert only(read_prometheus(_alert())).sender == "prometheus 10.0.0.7"


def test_name_annotations_and_link() -> None:
    report = only(read_prometheus(_alert(annotations={"b": "2", "a": ""}, generatorURL="http://p")))
    assert (report.alert_name, report.annotations_json, report.generator_url) == ("Up", b'{"a":"","b":"2"}', "http://p")
    assert only(read_prometheus(_alert(labels={"job": "a"}))).alert_name == "unknown"


@pytest.mark.parametrize("body", [b"{}", b'"x"', b"null", b"5", b"", b"[" * 100_000, b"\xff"])
def test_what_is_no_list_is_rejected(body: bytes) -> None:
    found = read(body, payload_format=PayloadFormat.PROMETHEUS)
    assert found.rejection
    assert not found.alerts


@given(JSON_VALUES)
def test_any_json_is_taken_or_refused(value: Any) -> None:
    for body in (value, [value], [_alert(labels=value)], [_alert(startsAt=value, endsAt=value)]):
        found = read(body, payload_format=PayloadFormat.PROMETHEUS)
        assert not (found.rejection and found.alerts)
