"""Alerts to judge, from files as people have them."""

import json
from datetime import timedelta
from typing import Any

import pytest

from alerthistory_client.alert_files import FiledAlert, read_alerts
from alerthistory_common.alerts import EventKind, HistoryContext, Instant, Severity
from alerthistory_common.errors import InvalidArgumentError

_NOW = Instant(1_700_000_000_000_000)
_LABELS = {
    "alertname": "InstanceDown",
    "code": "200",
    "instance": "127.0.0.1:9090",
    "job": "prometheus",
    "monitor": "codelab-monitor",
    "severity": "critical",
}


def _alert(**others: Any) -> dict[str, Any]:
    return {"labels": _LABELS, "annotations": {"summary": "größer"}, **others}


def _read(content: Any) -> list[FiledAlert]:
    return read_alerts(json.dumps(content).encode(), now=_NOW)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"status": "firing", "alerts": [_alert(fingerprint="791cec13fcba0368")]}),
        json.dumps([_alert()], indent=2),
        json.dumps(_alert()) + "\n",
        json.dumps(_alert(), indent=4),
        "\ufeff" + json.dumps([_alert()]),
    ],
    ids=["webhook", "array", "one line", "one object", "with a byte order mark"],
)
def test_every_form_gives_the_alert_as_ingest_would_know_it(body: str) -> None:
    (found,) = read_alerts(body.encode(), now=_NOW)
    event = found.case.event
    assert (event.kind, event.alert_name, event.fingerprint) == (EventKind.FIRED, "InstanceDown", "791cec13fcba0368")
    assert json.loads(event.labels_json) == _LABELS
    assert event.annotations_json == '{"summary":"größer"}'.encode()
    assert len(event.event_id) == 32
    assert event.starts_at == event.occurred_at == _NOW
    assert (found.case.history, found.expected) == (HistoryContext(), None)


def test_a_line_may_hold_any_of_the_forms_and_blank_lines_do_not_count() -> None:
    lines = [_alert(), {"alerts": [_alert(), _alert()]}, [_alert()]]
    body = "\n\n".join(json.dumps(each) for each in lines) + "\r\n"
    assert len(read_alerts(body.encode(), now=_NOW)) == 4


def test_identities_are_stable_and_those_of_the_webhook_without_a_fingerprint() -> None:
    labels = {"alertname": "A", "team": ""}
    (single,), (again,) = _read({"labels": labels}), _read([{"labels": {"alertname": "A"}}])
    (webhook,) = _read({"alerts": [{"labels": labels}]})
    assert single.case.event.fingerprint == again.case.event.fingerprint, "an empty label is none"
    assert len(webhook.case.event.fingerprint) == 64
    assert _read({"labels": labels})[0].case.event.event_id == single.case.event.event_id


def test_the_start_counts_and_the_zero_time_of_go_does_not() -> None:
    (given,) = _read(_alert(startsAt="2023-11-14T22:00:00.123456789+01:00"))
    (zero,) = _read(_alert(startsAt="0001-01-01T00:00:00Z"))
    assert given.case.event.starts_at.iso_utc() == "2023-11-14T21:00:00.123456+00:00"
    assert zero.case.event.starts_at == _NOW


def test_the_past_and_the_expectation_are_taken() -> None:
    history = {"times_fired": 12, "median_duration_s": 1.5, "flaps_per_hour": 3}
    (found,) = _read(_alert(history=history, expect="noise"))
    assert found.expected is Severity.NOISE
    assert found.case.history == HistoryContext(
        times_fired=12, median_duration=timedelta(seconds=1.5), flaps_per_hour=3.0
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b" \n", "^is empty$"),
        (b"\xff", r"^is not UTF-8 \(byte 0\)$"),
        (b'{"labels": {\n "a": }', "^is not JSON: .*line 2 column 7"),
        (b'{"labels": {"a": "b"}}\n{"labels": }', "^line 2 column 12 is not JSON: Expecting value$"),
        (b'{"labels": {"a": NaN}}', "^is not JSON: NaN is no number"),
        (b"[" * 100_000, "^is not JSON"),
        (b'"text"', "^there is no alert: give a webhook body"),
        (b'{"label": {}}', "^there is no alert"),
        (b'{"labels": {"a": "b"}}\n7', "^line 2: there is no alert"),
        (b"[]", "^holds no alert"),
        (b'{"alerts": {}}', "^alerts must be a list$"),
        (b'{"alerts": [{"labels": {"a": "b"}}, 7]}', r"^alerts\[1\]: an alert must be an object"),
        (b'[{"labels": []}]', r"^\[0\]: labels must be an object$"),
        (b'[{"annotations": {}}]', r"^\[0\]: an alert needs labels$"),
        (b'{"labels": {"a": "b"}, "annotations": "x"}', "^annotations must be an object$"),
        (b'{"labels": {"a": "\\ud800"}}', "^a text holds a lone surrogate"),
        (b'{"labels": {"a": "b"}, "fingerprint": 7}', "^fingerprint must be a text$"),
        (b'{"labels": {"a": "b"}, "fingerprint": "\\ud800"}', "lone surrogate"),
        (b'{"labels": {"a": "b"}, "generatorURL": 7}', "^generatorURL must be a text$"),
        (b'{"labels": {"a": "b"}, "startsAt": "today"}', "^startsAt is no time: write "),
        (b'{"labels": {"a": "b"}, "startsAt": 7}', "^startsAt is no time"),
        (b'{"labels": {"a": "b"}, "expect": "loud"}', "^expect must be one of critical, warning, info, noise$"),
        (b'{"labels": {"a": "b"}, "expect": {}}', "^expect must be one of"),
        (b'{"labels": {"a": "b"}, "history": 7}', "^history must be an object$"),
        (
            b'{"labels": {"a": "b"}, "history": {"times_fried": 7}}',
            "^history has no key 'times_fried': it takes times_f",
        ),
        (b'{"labels": {"a": "b"}, "history": {"times_fired": 1.5}}', "^history.times_fired must be a whole number$"),
        (b'{"labels": {"a": "b"}, "history": {"flaps_per_hour": -1}}', "^history.flaps_per_hour must be a number"),
        (b'{"labels": {"a": "b"}, "history": {"median_duration_s": 1e300}}', "^history.median_duration_s must be a"),
        (b'{"labels": {"a": "b"}, "history": {"times_fired": true}}', "^history.times_fired must be a number"),
    ],
)
def test_what_cannot_be_judged_says_where_and_why(body: bytes, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        read_alerts(body, now=_NOW)


def test_what_the_file_says_is_kept_but_for_what_is_ours() -> None:
    alert = {"labels": {"a": "größer"}, "status": "resolved", "endsAt": "2026-11-25T14:00:00Z", "more": [1.5]}
    (found,) = _read([{**alert, "history": {"times_fired": 1}, "expect": "info"}])
    assert json.loads(found.alert_json) == alert
