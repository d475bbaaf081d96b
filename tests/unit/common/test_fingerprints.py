"""Fingerprints: Alertmanager's own, and the legacy service's for alerts without one."""

import hashlib
import json
from pathlib import Path

from alerthistory_common.fingerprints import alertmanager_fingerprint, legacy_fingerprint

_CAPTURES = Path(__file__).parents[2] / "fixtures/alertmanager-0.25/webhook_v4_real.jsonl"


def test_two_published_payloads() -> None:
    labels = {
        "alertname": "InstanceDown",
        "code": "200",
        "job": "prometheus",
        "monitor": "codelab-monitor",
        "severity": "critical",
    }
    assert alertmanager_fingerprint({**labels, "instance": "127.0.0.1:9090"}) == "791cec13fcba0368"
    assert alertmanager_fingerprint({**labels, "instance": "localhost:9090"}) == "8df98227bdd81384"


def test_no_labels() -> None:
    assert alertmanager_fingerprint({}) == "cbf29ce484222325"


def test_every_captured_alert_of_a_real_alertmanager() -> None:
    alerts = [
        alert
        for line in _CAPTURES.read_text(encoding="utf-8").splitlines()
        for alert in json.loads(json.loads(line)["raw_body"])["alerts"]
    ]
    assert len(alerts) > 10
    for alert in alerts:
        assert alertmanager_fingerprint(alert["labels"]) == alert["fingerprint"]


def test_order_of_labels_does_not_matter_and_small_digests_are_padded() -> None:
    assert alertmanager_fingerprint({"a": "1", "b": "2"}) == alertmanager_fingerprint({"b": "2", "a": "1"})
    assert all(len(alertmanager_fingerprint({"n": str(n)})) == 16 for n in range(200))


def test_legacy_fingerprint_hashes_sorted_ascii_json() -> None:
    written = b'{"a":[1,{"x":null,"y":1.5}],"\\u00e9":"\\ud83d\\ude00"}'
    assert legacy_fingerprint({"é": "😀", "a": [1, {"y": 1.5, "x": None}]}) == hashlib.sha256(written).hexdigest()
