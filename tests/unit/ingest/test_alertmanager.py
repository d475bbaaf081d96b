"""Alertmanager's webhook: what is taken, what is broken, and nothing that stops the others."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ingest.reading import NOW, only, only_refusal, read, refusal_of, report_of
from tests.unit.ingest.test_json_text import JSON_VALUES

_CAPTURES = Path(__file__).parents[2] / "fixtures/alertmanager-0.25/webhook_v4_real.jsonl"
_NAN, _SURROGATE = float("nan"), "\ud800"


def test_captures_of_a_real_alertmanager_are_taken_in_full() -> None:
    for line in _CAPTURES.read_text(encoding="utf-8").splitlines():
        body = json.loads(line)["raw_body"]
        sent = json.loads(body)
        found = read(body.encode())
        assert not found.is_refused
        assert [alert.report.fingerprint for alert in found.alerts] == [each["fingerprint"] for each in sent["alerts"]]
        assert {alert.report.sender for alert in found.alerts} == {f"alertmanager {sent['externalURL']}"}


def test_nanoseconds_of_a_real_alertmanager_are_kept_beside_the_microseconds() -> None:
    report = report_of(startsAt="2026-11-23T14:12:42.145977575Z")
    assert (report.starts_at.micros % 1_000_000, report.starts_at.nanos) == (145_977, 575)


@pytest.mark.parametrize("missing", [{}, {"startsAt": None}, {"startsAt": ""}])
def test_a_missing_start_is_the_time_of_receipt(missing: dict[str, Any]) -> None:
    assert report_of(labels={"alertname": "x"}, **missing).starts_at == NOW


@pytest.mark.parametrize("falsy", [None, "", 0, False, [], {}])
def test_a_falsy_end_is_none(falsy: object) -> None:
    assert report_of(endsAt=falsy).ends_at is None


def test_alertmanagers_zero_end_is_a_real_value() -> None:
    report = report_of(status="firing", endsAt="0001-01-01T00:00:00Z")
    assert report.ends_at is not None
    assert report.ends_at.iso_utc() == "0001-01-01T00:00:00+00:00"


@pytest.mark.parametrize("status", [None, "", "RESOLVED", "resolved ", 5, ["resolved"]])
def test_only_the_exact_word_resolves(status: object) -> None:
    assert report_of(status=status).is_firing
    assert not report_of(status="resolved").is_firing


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        ("x", "x", "x"),
        ("", "", ""),
        ("a\x00b", "a\x00b", "a\x00b"),
        (True, "True", "1"),
        (42, "42", "42"),
        (4.25, "4.25", "4.25"),
        (1e20, "1e+20", "1.0e+20"),
    ],
)
def test_names_as_sent_and_as_shown(value: object, name: str, shown: str) -> None:
    (alert,) = read({"alerts": [{"labels": {"alertname": value}}]}).alerts
    assert (alert.name, alert.report.alert_name) == (name, shown)


def test_an_alert_without_a_name_is_unknown() -> None:
    (alert,) = read({"alerts": [{}]}).alerts
    assert (alert.name, alert.report.alert_name) == ("unknown", "unknown")


@pytest.mark.parametrize(
    ("given_one", "kept"), [("fp", "fp"), (12345, "12345"), (1.5, "1.5"), (True, "1"), ("odd\x00print", "odd\x00print")]
)
def test_truthy_fingerprints_are_kept_as_text(given_one: object, kept: str) -> None:
    assert report_of(fingerprint=given_one).fingerprint == kept


@pytest.mark.parametrize("falsy", [None, "", 0, False, [], {}, 0.0])
def test_falsy_fingerprints_are_computed(falsy: object) -> None:
    empty_object = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert report_of(fingerprint=falsy).fingerprint == empty_object


@pytest.mark.parametrize(
    ("alert", "reason"),
    [
        (7, "an alert must be an object, not a number"),
        (None, "an alert must be an object, not null"),
        ({"labels": None}, "labels must be an object, not null"),
        ({"labels": []}, "labels must be an object, not a list"),
        ({"labels": {"alertname": None}}, "the label alertname must be a text, not null"),
        ({"labels": {"alertname": ["x"]}}, "the label alertname must be a text, not a list"),
        ({"labels": {"alertname": 2**64}}, "the label alertname is a number of more than 64 bits"),
        ({"fingerprint": ["x"]}, "fingerprint must be a text, not a list"),
        ({"fingerprint": 2**64}, "fingerprint is a number of more than 64 bits"),
        ({"generatorURL": {}}, "generatorURL must be a text, not an object"),
        ({"startsAt": "soon"}, "startsAt is not a time: 'soon'"),
        ({"startsAt": []}, "startsAt must be a time, not a list"),
        ({"endsAt": "late"}, "endsAt is not a time: 'late'"),
        ({"labels": {"a": _NAN}}, "NaN and infinite numbers cannot be stored"),
        ({"annotations": [_NAN]}, "NaN and infinite numbers cannot be stored"),
        ({"labels": {_SURROGATE: "x"}}, "a text holds a lone surrogate, which is no character"),
        ({"annotations": _SURROGATE}, "a text holds a lone surrogate, which is no character"),
        ({"fingerprint": _SURROGATE}, "fingerprint holds a lone surrogate, which is no character"),
        ({"generatorURL": _SURROGATE}, "generatorURL holds a lone surrogate, which is no character"),
    ],
)
def test_broken_alerts_say_why_and_do_not_stop_the_others(alert: object, reason: str) -> None:
    assert only_refusal(read({"alerts": [alert]})) == reason
    found = read({"alerts": [{"fingerprint": "a"}, alert, {"fingerprint": "b"}]})
    assert [each.index for each in found.alerts] == [0, 2]
    assert [(each.index, each.message) for each in found.refusals] == [(1, reason)]


def test_a_number_that_overflows_to_infinity_is_broken() -> None:
    found = read(b'{"alerts":[{"labels":{"a":1e999}}]}')
    assert only_refusal(found) == "NaN and infinite numbers cannot be stored"


def test_numbers_in_fields_nobody_stores_do_no_harm() -> None:
    assert report_of(value=_NAN, other=_SURROGATE).is_firing


def test_annotations_are_kept_whatever_they_are() -> None:
    values: list[Any] = [None, [], "text", 5, {"b": {"d": 1, "c": 2}}]
    for value in values:
        assert json.loads(report_of(annotations=value).annotations_json) == value
    assert report_of().annotations_json == b"{}"


def test_generator_urls_are_kept_as_text() -> None:
    kept = [report_of(generatorURL=each).generator_url for each in (None, "", "http://é", 12, True)]
    assert kept == [None, "", "http://é", "12", "1"]
    assert report_of().generator_url is None


def test_namespace_and_severity_are_taken_when_they_are_texts() -> None:
    report = report_of(labels={"namespace": "prod", "severity": "page"})
    assert (report.namespace, report.severity_label) == ("prod", "page")
    report = report_of(labels={"namespace": 5, "severity": None})
    assert (report.namespace, report.severity_label) == ("", "")


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://am", "alertmanager http://am"),
        ("", "10.0.0.7"),
        (None, "10.0.0.7"),
        (5, "10.0.0.7"),
        ("\ud800", "10.0.0.7"),
        ("x" * 100_000, "alertmanager " + "x" * 1000),
    ],
)
def test_the_sender_is_the_alertmanager_that_names_itself(url: object, sender: str) -> None:
    assert only(read({"externalURL": url, "alerts": [{}]})).sender == sender


def test_every_report_knows_when_and_in_which_trace_it_came() -> None:
    report = report_of()
    assert (report.received_at, report.traceparent, report.lease_expires_at) == (NOW, "00-trace", None)


@pytest.mark.parametrize("alerts", ["abc", {"a": 1, "b": 2, "c": 3}])
def test_characters_and_keys_are_broken_alerts(alerts: object) -> None:
    found = read({"alerts": alerts})
    assert (found.alerts, found.refused_count, found.rejection) == ((), 3, "")


def test_at_most_a_hundred_refusals_are_listed_and_all_are_counted() -> None:
    found = read({"alerts": [7] * 150 + [{}]})
    assert (len(found.refusals), found.refused_count, len(found.alerts)) == (100, 150, 1)
    assert [each.index for each in found.refusals] == list(range(100))


def test_an_alert_too_large_for_the_wire_is_broken_alone() -> None:
    assert refusal_of(labels={"a": "x" * 4 * 1024 * 1024}).startswith("the alert takes more than")


def test_ten_thousand_alerts_keep_their_order() -> None:
    found = read({"alerts": [{"labels": {"n": n}, "fingerprint": f"f{n}"} for n in range(10_000)]})
    assert [alert.report.fingerprint for alert in found.alerts] == [f"f{n}" for n in range(10_000)]


def test_odd_label_names_are_kept() -> None:
    labels = {"": "", "a.b c": "1", "🔥": "", "a\x00b": "\x00", "ключ": "é"}
    written = report_of(labels=labels).labels_json
    assert json.loads(written) == labels
    assert b"\x00" not in written


@given(st.binary())
def test_any_bytes_are_taken_or_rejected(body: bytes) -> None:
    read(body)


@given(JSON_VALUES)
def test_any_json_is_taken_or_rejected(value: Any) -> None:
    for body in (value, {"alerts": value}, {"alerts": [value]}, {"alerts": [{"labels": value, "annotations": value}]}):
        found = read(body)
        assert not (found.rejection and found.alerts)


_ALERTS = st.fixed_dictionaries(
    {},
    optional={
        key: JSON_VALUES | st.floats() | st.text(st.characters(exclude_categories=()))
        for key in ("labels", "annotations", "status", "startsAt", "endsAt", "generatorURL", "fingerprint", "other")
    }
    | {"labels": st.dictionaries(st.sampled_from(["alertname", "namespace", "severity", "x"]), JSON_VALUES)},
)


@given(_ALERTS)
def test_any_object_is_a_report_or_broken_with_a_reason(alert: dict[str, Any]) -> None:
    found = read({"alerts": [alert]})
    assert len(found.alerts) + found.refused_count == 1
    for refusal in found.refusals:
        assert refusal.message
        refusal.message.encode()
    for each in found.alerts:
        report = each.report
        for text in (report.fingerprint, report.alert_name, report.generator_url or "", report.namespace):
            text.encode()
        assert report.fingerprint


def test_millions_of_broken_elements_are_counted_quickly() -> None:
    started = time.perf_counter()
    assert read(b'{"alerts":[' + b"1," * 2_000_000 + b"1]}").refused_count == 2_000_001
    assert read(b'{"alerts":"' + b"x" * 2_000_000 + b'"}').refused_count == 2_000_000
    assert time.perf_counter() - started < 5
