"""Reading labelled alerts: what is refused, and where."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerthistory_common.alerts import Instant, Severity
from tests.evaluation.sets import NAMES, BadSetError, content, path_of, read_set
from tests.events import FIRED_AT

NEVER = {"times_fired": 0, "median_duration_s": None, "last_resolved_ago_s": None, "flaps_per_hour": 0.0}


def line(**overrides: Any) -> str:
    """Return a line of a set: only what a test is about is named."""
    fields = {
        "id": "node-001",
        "family": "node",
        "labels": {"alertname": "DiskFull"},
        "annotations": {"summary": "97 % full"},
        "history": NEVER,
        "severity": "critical",
        "why": "it is lost within the hour",
    }
    return json.dumps(fields | overrides)


def written(folder: Path, *lines: str) -> Path:
    """Return a file in *folder* with these lines."""
    path = folder / "some.jsonl"
    path.write_text("".join(f"{each}\n" for each in lines))
    return path


def test_an_alert_becomes_an_event_and_its_past(tmp_path: Path) -> None:
    past = {"times_fired": 4, "median_duration_s": 90, "last_resolved_ago_s": 2.5, "flaps_per_hour": 1.5}
    (alert,) = read_set(written(tmp_path, line(history=past)))
    assert alert.severity is Severity.CRITICAL
    assert (alert.event().alert_name, alert.event().labels_json) == ("DiskFull", b'{"alertname":"DiskFull"}')
    assert alert.context().median_duration == timedelta(seconds=90)
    assert alert.context().last_resolved_at == Instant(FIRED_AT.micros - 2_500_000)


def test_what_never_happened_stays_none(tmp_path: Path) -> None:
    context = read_set(written(tmp_path, line()))[0].context()
    assert (context.times_fired, context.median_duration, context.last_resolved_at) == (0, None, None)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("", "truncated"),
        ("[]", "array"),
        ("{", "truncated"),
        (line(severity="sev1"), r"sev1.*\$\.severity"),
        (line(why=""), r"\$\.why"),
        (line(labels={"alertname": 3}), r"\$\.labels"),
        (line(labels={"name": "DiskFull"}), "alertname"),
        (line(history=NEVER | {"times_fired": -1}), r"\$\.history\.times_fired"),
        (line(history={}), r"times_fired.*\$\.history"),
        (line(surprise=1), "surprise"),
    ],
)
def test_a_bad_line_is_refused_by_its_file_and_number(tmp_path: Path, bad: str, complaint: str) -> None:
    with pytest.raises(BadSetError, match=rf"some\.jsonl:2: .*{complaint}"):
        read_set(written(tmp_path, line(), bad))


@pytest.mark.parametrize("twin", [line(labels={"alertname": "Another"}), line(id="node-002")])
def test_an_id_and_a_content_come_once(tmp_path: Path, twin: str) -> None:
    with pytest.raises(BadSetError, match=r"some\.jsonl:2: .* repeats line 1"):
        read_set(written(tmp_path, line(), twin))


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetError, match="no alert"):
        read_set(written(tmp_path))


def test_our_sets_are_readable_and_share_no_alert() -> None:
    contents = [content(alert) for name in NAMES if path_of(name).exists() for alert in read_set(path_of(name))]
    assert contents
    assert len(contents) == len(set(contents))
