"""``POST /webhook/``, ``/webhook/proxy`` and ``/proxy/webhook``: what is stored, and what the answers say."""

import json
from typing import Any

import grpc
import pytest

from alerthistory.alert.v1 import alert_pb2
from alerthistory.ingest.v1 import ingest_service_pb2 as ingest_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from tests.integration.gateway.conftest import Gateway

ALERTS = [{"labels": {"alertname": "A"}, "fingerprint": "fa"}, {"labels": {"alertname": "B"}}]


def _verdict(reasoning: str) -> alert_pb2.Verdict:
    return alert_pb2.Verdict(
        severity=alert_pb2.SEVERITY_CRITICAL, confidence=0.5, reasoning=reasoning, recommendations=["Look"]
    )


def _processed() -> ingest_pb2.ProcessAlertsResponse:
    """Return that A was published to two targets, and that B is known and was judged earlier."""
    return ingest_pb2.ProcessAlertsResponse(
        alerts=[
            ingest_pb2.ProcessedAlert(
                index=0, fingerprint="fa", verdict=_verdict("x" * 101), is_processed=True, targets=["ops", "dev"]
            ),
            ingest_pb2.ProcessedAlert(index=1, fingerprint="0b", verdict=_verdict("short")),
        ]
    )


async def _post(gateway: Gateway, path: str, body: Any = None) -> dict[str, Any]:
    answer = await gateway.client.post(path, json=body or {"alerts": ALERTS})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_without_an_llm_and_targets_the_answer_is_the_legacy_one(gateway: Gateway) -> None:
    answer = await _post(gateway, "/webhook/")
    assert list(answer) == ["message", "processed_alerts", "mode", "processing_time_ms"]
    assert answer["processed_alerts"] == 2
    assert answer["mode"] == "legacy"
    assert gateway.suite.ingest.stored == 1


async def test_with_a_target_the_answer_is_the_intelligent_one(gateway: Gateway) -> None:
    gateway.suite.publisher.status = publisher_pb2.GetStatusResponse(targets=1)
    answer = await _post(gateway, "/webhook/")
    assert answer["mode"] == "intelligent"
    assert answer["classification_results"] == {}
    assert gateway.suite.ingest.stored == 1


async def test_with_an_llm_the_answer_has_a_verdict_for_each_alert_and_every_alert_is_asked_about_once(
    gateway: Gateway,
) -> None:  # D27: the older service asked twice.
    gateway.suite.classifier.status.model = "gpt"
    gateway.suite.ingest.processed = _processed()
    answer = await _post(gateway, "/webhook/")
    assert answer["classification_results"] == {
        "fa": {"severity": "critical", "confidence": 0.5, "reasoning": "x" * 100 + "..."},
        "unknown-2": {"severity": "critical", "confidence": 0.5, "reasoning": "short"},
    }
    assert len(gateway.suite.ingest.process_calls) == 1
    assert gateway.suite.ingest.stored == 0


async def test_the_number_of_alerts_is_told_whatever_became_of_them(gateway: Gateway) -> None:
    answer = await _post(gateway, "/webhook/", {"alerts": [{}, {}, {}]})
    assert answer["processed_alerts"] == 3


async def test_the_proxy_says_what_came_of_the_alerts(gateway: Gateway) -> None:
    gateway.suite.ingest.processed = _processed()
    answer = await _post(gateway, "/webhook/proxy")
    assert (answer["processed_alerts"], answer["published_alerts"], answer["filtered_alerts"]) == (2, 1, 0)
    assert answer["classification_results"]["fa"]["recommendations"] == ["Look"]
    assert answer["publishing_results"] == {"fa": {"targets": 2, "successful": 2, "failed": 0}}
    assert answer["metrics_only_mode"]


async def test_the_other_proxy_says_the_same_in_its_own_words(gateway: Gateway) -> None:
    gateway.suite.publisher.status = publisher_pb2.GetStatusResponse(targets=3)
    gateway.suite.ingest.processed = _processed()
    answer = await _post(gateway, "/proxy/webhook")
    assert (answer["status"], answer["active_targets"], answer["metrics_only_mode"]) == ("success", 3, False)
    assert list(answer["publishing_results"]) == ["fa"]


async def test_the_bytes_that_came_are_what_ingest_reads(gateway: Gateway) -> None:
    body = b'{"alerts": [{"labels": {"alertname": "\\u00e9", "x": 1.50}}]}'
    await gateway.client.post("/webhook/", content=body)
    (payload,) = gateway.suite.ingest.payloads
    assert payload.body == body


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
async def test_json_in_other_unicode_encodings_is_taken_as_ever(gateway: Gateway, encoding: str) -> None:
    content = json.dumps({"alerts": [{"labels": {"alertname": "é"}}]}, ensure_ascii=False)
    answer = await gateway.client.post("/webhook/", content=content.encode(encoding))
    assert answer.status_code == 200
    (payload,) = gateway.suite.ingest.payloads
    assert payload.body == content.encode()


@pytest.mark.parametrize("path", ["/webhook/", "/webhook/proxy", "/proxy/webhook"])
async def test_an_ingest_that_is_away_is_a_503(gateway: Gateway, path: str) -> None:
    gateway.suite.ingest.error = (grpc.StatusCode.UNAVAILABLE, "secret address")
    answer = await gateway.client.post(path, json={"alerts": ALERTS})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "secret" not in answer.text


async def test_a_large_body_is_validated_too(gateway: Gateway) -> None:
    alerts = [{"labels": {"alertname": "A", "filler": "x" * 1000}} for _ in range(400)]
    assert (await _post(gateway, "/webhook/", {"alerts": alerts}))["processed_alerts"] == 400
    answer = await gateway.client.post("/webhook/", json={"alerts": [*alerts, 5]})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "alerts", 400]
