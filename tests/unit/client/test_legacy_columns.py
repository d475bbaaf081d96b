"""Columns of legacy rows: what is sound is kept as it is, what is not is named."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alerthistory_client.legacy import columns
from alerthistory_client.legacy.tables import UnusableRowError
from alerthistory_common.alerts import Severity

ALERT = {
    "fingerprint": b"a1",
    "status": b"firing",
    "labels": b'{"alertname": "A",  "n": 1.50}',
    "annotations": b'{"summary": "\\u00ab"}',
    "startsAt": b"2025-10-28T00:00:00+00:00",
    "endsAt": None,
    "generatorURL": None,
}
VERDICT = {
    "fingerprint": b"a1",
    "alert_name": b"A",
    "severity": b"warning",
    "confidence": 0.75,
    "reasoning": "Причина".encode(),
    "recommendations": b'["look"]',
    "processing_time": 0.25,
    "metadata": b'{"model": "openai/gpt-4o", "n": {"b": 1, "a": 2}}',
    "created_at": b"2026-11-23T14:34:15.298823",
}


def test_json_goes_into_the_alert_as_it_stands_in_the_column() -> None:
    assert columns.alert_json(ALERT) == (
        b'{"fingerprint":"a1","status":"firing","labels":{"alertname": "A",  "n": 1.50},'
        b'"annotations":{"summary": "\\u00ab"},"startsAt":"2025-10-28T00:00:00+00:00"}'
    )


@pytest.mark.parametrize("odd", ["\0", '"', "\\", "é", '"}, "status": "resolved"', "\x10"])
def test_texts_are_written_so_that_they_are_read_back(odd: str) -> None:
    written = json.loads(columns.alert_json({**ALERT, "fingerprint": odd.encode(), "generatorURL": odd.encode()}))

    assert (written["fingerprint"], written["generatorURL"], written["status"]) == (odd, odd, "firing")


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("labels", None, "labels is null"),
        ("labels", b"", "labels is not JSON"),
        ("labels", b'{}, "status": "resolved"', "labels is not JSON"),
        ("labels", b'{"a": ' + b"[" * 100_000, "labels is not JSON"),
        ("labels", b"\xff", "labels is not UTF-8"),
        ("annotations", b"{'a': 1}", "annotations is not JSON"),
        ("fingerprint", b"\xff\xfe", "fingerprint is not UTF-8"),
    ],
)
def test_an_alert_that_cannot_be_written_is_refused_with_the_column(column: str, value: Any, problem: str) -> None:
    with pytest.raises(UnusableRowError, match=problem):
        columns.alert_json({**ALERT, column: value})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"2026-11-23T14:34:13.675180", "2026-11-23T14:34:13.675180+00:00"),
        (b"2026-11-23 14:34:13", "2026-11-23T14:34:13+00:00"),
        ("2026-11-23T14:34:13+02:00", "2026-11-23T12:34:13+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_times_without_a_zone_are_in_utc(value: Any, shown: str) -> None:
    assert columns.moment(value, "received_at").iso_utc() == shown


@pytest.mark.parametrize("value", [None, b"", b"yesterday", b"0001-01-01T00:00:00+14:00", 12, b"\xff"])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(UnusableRowError, match="received_at is"):
        columns.moment(value, "received_at").iso_utc()


def test_a_classification_keeps_all_that_was_said() -> None:
    found = columns.classification(VERDICT)

    assert (found.fingerprint, found.alert_name) == ("a1", "A")
    assert (found.verdict.severity, found.verdict.confidence) == (Severity.WARNING, 0.75)
    assert (found.verdict.reasoning, found.verdict.recommendations) == ("Причина", ("look",))
    assert found.verdict.processing_time == timedelta(milliseconds=250)
    assert found.metadata_json == b'{"model":"openai/gpt-4o","n":{"b":1,"a":2}}'
    assert found.created_at.iso_utc() == "2026-11-23T14:34:15.298823+00:00"


@pytest.mark.parametrize(
    ("metadata", "source"),
    [
        (b'{"model": "m"}', "m"),
        (b'{"fallback": true}', "fallback"),
        (b'{"model": "", "fallback": true}', "fallback"),
        (b'{"model": 7}', "unknown"),
        (b"{}", "unknown"),
        (b"null", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_source_is_the_model_the_fallback_or_unknown(metadata: bytes | None, source: str) -> None:
    assert columns.classification({**VERDICT, "metadata": metadata}).verdict.source == source


def test_columns_that_may_be_empty_may_be_empty() -> None:
    empty = dict.fromkeys(("alert_name", "reasoning", "recommendations", "processing_time", "metadata"))

    found = columns.classification({**VERDICT, **empty, "confidence": Decimal("0.750"), "severity": "WARNING"})

    assert (found.alert_name, found.verdict.reasoning, found.verdict.recommendations) == ("", "", ())
    assert (found.verdict.processing_time, found.metadata_json) == (timedelta(0), b"")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fingerprint", None),
        ("fingerprint", b""),
        ("severity", b"blocker"),
        ("severity", None),
        ("confidence", 1.5),
        ("confidence", Decimal("NaN")),
        ("confidence", b"high"),
        ("confidence", None),
        ("recommendations", b"{}"),
        ("recommendations", b"["),
        ("recommendations", b'["\\ud800"]'),
        ("processing_time", -1),
        ("processing_time", float("inf")),
        ("metadata", b"[]"),
        ("metadata", b'{"a": NaN}'),
        ("metadata", b'{"a": "\\ud800"}'),
        ("metadata", b'{"model": "\\ud800"}'),
        ("created_at", None),
        ("created_at", b"never"),
    ],
)
def test_a_classification_that_cannot_be_used_is_refused_with_the_column(column: str, value: Any) -> None:
    with pytest.raises(UnusableRowError, match=column):
        columns.classification({**VERDICT, column: value})
