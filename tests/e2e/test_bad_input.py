"""Bad input over the real thing: a clear answer, the good alerts stored, the rest kept and replayable."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.inbox import open_inbox
from tests.payloads import alert, webhook
from tests.processes import short_folder, until
from tests.suites import Suite


@pytest.fixture(scope="module")
def running() -> Iterator[Suite]:
    with short_folder() as folder, open_inbox() as inbox:
        targets = inbox.write_targets(folder / "targets.yaml")
        env = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets), "ALERTHISTORY_GATEWAY_MAX_BODY_BYTES": "20000000"}
        suite = Suite(folder, env=env)
        with suite.running():
            yield suite


def _post(suite: Suite, body: bytes | str | object, path: str = "/webhook") -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return suite.http.post(path, content=content, headers={"content-type": "application/json"})


def _quarantine(suite: Suite) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(suite.run("ahctl", "--json", "quarantine", "list").stdout)["payloads"]
    return listed


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[]", "'list' object has no attribute 'get'"),
        (b"7", "'int' object has no attribute 'get'"),
        (b'{"alerts": 7}', "'int' object is not iterable"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_unreadable_bodies_are_refused_clearly_and_kept(running: Suite, body: bytes, detail: str) -> None:
    answer = _post(running, body)
    assert (answer.status_code, answer.json()) == (400, {"detail": detail})
    assert any(detail in json.dumps(row, ensure_ascii=False) for row in _quarantine(running))


@pytest.mark.parametrize("opening", ['{"alerts":[{"labels":' + '{"a":' * 100_000, "[" * 200_000])
def test_deep_nesting_is_refused(running: Suite, opening: str) -> None:
    answer = _post(running, opening)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_a_body_above_the_cap_is_413(running: Suite) -> None:
    assert _post(running, b" " * 20_000_001).status_code == 413


def test_a_chunked_body_above_the_cap_is_413(running: Suite) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(21):
            yield b" " * 1_000_000

    answer = running.http.post("/webhook", content=chunks())
    assert answer.status_code == 413


def test_the_good_alerts_of_a_batch_are_stored_and_the_rest_can_be_replayed(running: Suite) -> None:
    bad: list[Any] = [
        7,
        {"labels": []},
        {**alert("BadTime"), "startsAt": "soon"},
        {**alert("Infinite"), "labels": {"a": 1e999}},
        {**alert("Nan"), "annotations": {"a": float("nan")}},
        {**alert("Deep"), "labels": _nested(101)},
        {**alert("Deeper"), "annotations": _nested(500)},
        {**alert("Huge"), "labels": {"a": "x" * 5_000_000}},
    ]
    good = [alert("Good1"), alert("Good\x002"), alert("Good3", big="x" * 1_000_000), alert("Good4")]
    body = webhook([])
    body["alerts"] = [good[0], *bad, *good[1:]]
    answer = _post(running, json.dumps(body))
    assert (answer.status_code, answer.json()["processed"]) == (200, len(good))
    for each in good:
        assert len(running.history(alertname=each["labels"]["alertname"])) == 1
    (row,) = [row for row in _quarantine(running) if row["error_count"] == len(bad)]
    assert [error["index"] for error in row["errors"]] == list(range(1, 1 + len(bad)))
    replayed = running.run("ahctl", "quarantine", "replay", str(row["quarantine_id"]), check=False)
    assert replayed.returncode == 1, "it is as bad as before, and that is said"


def test_nul_and_odd_texts_come_back_as_they_were_sent(running: Suite) -> None:
    odd = {"alertname": "Nul\x00Name", "empty": "", "emoji 🔥": "ünï\u2028", "v": "a\x00b"}
    assert _post(running, webhook([{**alert("x", fingerprint="odd\x00print"), "labels": odd}])).status_code == 200
    (stored,) = running.history(alertname="Nul\x00Name")
    assert (stored["labels"], stored["fingerprint"]) == (odd, "odd\x00print")


def test_times_are_truncated_to_microseconds_and_shown_in_utc(running: Suite) -> None:
    body = webhook([alert("Nano", starts_at="2026-01-02T03:04:05.123456789+02:00")])
    assert _post(running, body).status_code == 200
    assert running.history(alertname="Nano")[0]["startsAt"] == "2026-01-02T01:04:05.123456+00:00"


def test_ten_thousand_alerts_in_one_body(running: Suite) -> None:
    answer = _post(running, webhook(alert("Many", fingerprint=f"many-{n}", n=str(n)) for n in range(10_000)))
    assert (answer.status_code, answer.json()["processed"]) == (200, 10_000)
    assert len(running.history(alertname="Many", limit=20_000)) == 10_000


def test_a_megabyte_label_does_not_hurt_its_neighbour(running: Suite) -> None:
    answer = _post(running, webhook([alert("Big", big="x" * 1_000_000), alert("Small")]))
    assert answer.json()["processed"] == 2
    until(lambda: running.history(alertname="Small"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{}", 400),
        (b"[7]", 400),
        (b'[{"labels":{}}]', 400),
        (b'[{"labels":{"alertname":"x"},"startsAt":"soon"}]', 400),
        (b"[" * 100_000, 400),
    ],
)
def test_what_no_alertmanager_would_take_is_refused_as_by_one(running: Suite, body: bytes, status: int) -> None:
    answer = _post(running, body, "/api/v2/alerts")
    assert answer.status_code == status
    assert answer.content
