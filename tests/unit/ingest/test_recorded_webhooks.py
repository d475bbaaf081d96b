"""What the legacy service was seen to do with bodies is what reading does with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from alerthistory_common.alerts import Report
from tests.unit.ingest.reading import read

_RECORDED = json.loads((Path(__file__).parent / "recorded_webhooks.json").read_text(encoding="utf-8"))


def _body(post: dict[str, Any]) -> bytes:
    return bytes.fromhex(post["body_hex"]) if "body_hex" in post else str(post["body"]).encode()


def _row(report: Report) -> dict[str, Any]:
    """Return the report as ``GET /history`` shows it."""
    return {
        "fingerprint": report.fingerprint,
        "alertname": report.alert_name,
        "status": "firing" if report.is_firing else "resolved",
        "labels": json.loads(report.labels_json),
        "annotations": json.loads(report.annotations_json),
        "startsAt": report.starts_at.iso_utc(),
        "endsAt": report.ends_at.iso_utc() if report.ends_at else None,
        "generatorURL": report.generator_url,
    }


def _written(row: dict[str, Any]) -> str:
    # Texts, because 1 == 1.0 == True and key order counts.
    return json.dumps(row, ensure_ascii=False)


@pytest.mark.parametrize("scenario", _RECORDED, ids=lambda scenario: str(scenario["name"]))
def test_bodies_are_accepted_counted_and_rejected_as_recorded(scenario: dict[str, Any]) -> None:
    for post in scenario["posts"]:
        found = read(_body(post))
        assert found.rejection == post.get("rejection", ""), post
        assert len(found.alerts) == post.get("processed", 0), post


@pytest.mark.parametrize("scenario", _RECORDED, ids=lambda scenario: str(scenario["name"]))
def test_reports_show_what_history_showed(scenario: dict[str, Any]) -> None:
    rows: dict[tuple[str, str], str] = {}
    for post in scenario["posts"]:
        for alert in read(_body(post)).alerts:
            row = _row(alert.report)
            rows[row["fingerprint"], row["startsAt"]] = _written(row)
    for row in scenario["history"]:
        assert rows.pop((row["fingerprint"], row["startsAt"])) == _written(row)
    assert not rows
