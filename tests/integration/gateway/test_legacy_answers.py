"""The other legacy endpoints, routing and CORS: every byte that the contract fixes."""

import re
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.ingest.v1 import ingest_service_pb2 as ingest_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from tests.fakes import fake_history, fake_ingest
from tests.fakes.fake_suite import FakeSuite
from tests.integration.gateway.conftest import Gateway, OpenGateway
from tests.integration.gateway.raw import Answer, ask

ORIGIN = "Origin: https://grafana.example.com"


# ruff: noqa: E501  # Answers are written as they are.


@pytest.mark.parametrize(
    ("method", "target", "status", "headers", "body"),
    [
        ("POST", "/history", 405, {"allow": "GET"}, b'{"detail":"Method Not Allowed"}'),
        ("OPTIONS", "/history", 405, {"allow": "GET"}, b'{"detail":"Method Not Allowed"}'),
        ("TRACE", "/history", 405, {"allow": "GET"}, b'{"detail":"Method Not Allowed"}'),
        ("GET", "/webhook", 405, {"allow": "POST"}, b'{"detail":"Method Not Allowed"}'),
        ("PUT", "/enrichment/mode", 405, {"allow": "GET"}, b'{"detail":"Method Not Allowed"}'),
        ("GET", "/nope", 404, {}, b'{"detail":"Not Found"}'),
        ("GET", "/nope/", 404, {}, b'{"detail":"Not Found"}'),
        ("GET", "/History", 404, {}, b'{"detail":"Not Found"}'),
        ("GET", "//history", 404, {}, b'{"detail":"Not Found"}'),
        ("GET", "/history;x=1", 404, {}, b'{"detail":"Not Found"}'),
        ("GET", "/", 404, {}, b'{"detail":"Not Found"}'),
        ("GET", "/history/", 307, {"location": "http://alert-history.local/history"}, b""),
        ("POST", "/history/?limit=1", 307, {"location": "http://alert-history.local/history?limit=1"}, b""),
        ("DELETE", "/readyz//", 307, {"location": "http://alert-history.local/readyz"}, b""),
        ("GET", "/history%2F", 307, {"location": "http://alert-history.local/history"}, b""),
        ("GET", "/history/?x=%20&y=%ff", 307, {"location": "http://alert-history.local/history?x=%20&y=%ff"}, b""),
        ("GET", "/%68istory", 200, {}, b'{"alerts":[],"total":0}'),
    ],
)  # fmt: skip
async def test_routing(
    gateway: Gateway, method: str, target: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    answer = await ask(gateway.port, method, target)
    assert (answer.status, answer.body) == (status, body)
    assert {name: answer.headers.get(name, "").lower() for name in headers} == {
        name: value.lower() for name, value in headers.items()
    }
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers.get("content-type") == ("application/json" if body else None)


@pytest.mark.parametrize("target", ["/history", "/report", "/metrics", "/health", "/healthz", "/readyz", "/dashboard"])
async def test_head_is_405_with_the_length_of_the_missing_body(gateway: Gateway, target: str) -> None:
    answer = await ask(gateway.port, "HEAD", target, has_body=False)
    assert (answer.status, answer.headers["allow"], answer.headers["content-length"]) == (405, "get", "31")


async def test_redirect_believes_the_protocol_of_a_proxy_on_this_machine_and_no_other_header(gateway: Gateway) -> None:
    forwarded = ("X-Forwarded-Proto: https", "X-Forwarded-Host: other", "X-Forwarded-Prefix: /x")
    answer = await ask(gateway.port, "GET", "/history/", *forwarded)
    assert answer.headers["location"] == "https://alert-history.local/history"


async def test_redirect_does_not_believe_strangers(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, trusted_proxies="10.0.0.0/8") as gateway:
        answer = await ask(gateway.port, "GET", "/history/", "X-Forwarded-Proto: https")
    assert answer.headers["location"] == "http://alert-history.local/history"


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/history", (), {}),
        ("/history", (ORIGIN,), {"access-control-allow-origin": "*", "access-control-allow-credentials": "true"}),
        ("/nope", ("Origin: ",), {"access-control-allow-origin": "*", "access-control-allow-credentials": "true"}),
        ("/history/", (ORIGIN, "Cookie: a=b"), {"access-control-allow-origin": "https://grafana.example.com", "access-control-allow-credentials": "true", "vary": "origin"}),
        ("/history?limit=x", (ORIGIN, "Cookie: "), {"access-control-allow-origin": "https://grafana.example.com", "access-control-allow-credentials": "true", "vary": "origin"}),
    ],
)  # fmt: skip
async def test_cors_headers(gateway: Gateway, target: str, headers: tuple[str, ...], expected: dict[str, str]) -> None:
    assert _cors(await ask(gateway.port, "GET", target, *headers)) == expected


@pytest.mark.parametrize(
    ("method", "extra", "status", "body", "allowed_headers"),
    [
        ("GET", (), 200, b"OK", None),
        ("PUT", ("Access-Control-Request-Headers: X-A, B",), 200, b"OK", "x-a, b"),
        ("get", (), 400, b"Disallowed CORS method", None),
        ("QUERY", ("Access-Control-Request-Headers: ",), 400, b"Disallowed CORS method", ""),
    ],
)
async def test_preflight_is_answered_on_any_path(
    gateway: Gateway, method: str, extra: tuple[str, ...], status: int, body: bytes, allowed_headers: str | None
) -> None:
    answer = await ask(gateway.port, "OPTIONS", "/nope", ORIGIN, f"Access-Control-Request-Method: {method}", *extra)
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    expected = {
        "vary": "origin",
        "access-control-allow-methods": "delete, get, head, options, patch, post, put",
        "access-control-max-age": "600",
        "access-control-allow-credentials": "true",
        "access-control-allow-origin": "https://grafana.example.com",
    }
    if allowed_headers is not None:
        expected["access-control-allow-headers"] = allowed_headers
    assert _cors(answer) == expected


async def test_cors_headers_stand_on_failures_too(idle_suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(idle_suite, request_timeout_s=0.1) as gateway:
        answer = await ask(gateway.port, "GET", "/report", ORIGIN)
    assert answer.status == 503
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_defect_is_a_500_that_tells_nothing(gateway: Gateway) -> None:
    gateway.suite.history.error = (grpc.StatusCode.INTERNAL, "secret")
    answer = await ask(gateway.port, "GET", "/history", ORIGIN)
    assert (answer.status, answer.body) == (500, b'{"detail":"Internal Server Error"}')
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_report_asks_for_the_last_days_as_text_and_keeps_the_order_of_rows(gateway: Gateway) -> None:
    rows = [
        history_pb2.ReportRow(key="\u0430", count=3, firing=1, resolved=2),
        history_pb2.ReportRow(key="A", count=1, firing=1),
    ]
    gateway.suite.history.report = history_pb2.GetReportResponse(rows=rows, total=4)
    answer = await gateway.client.get("/report?days=3650&group_by=a%22")
    assert answer.content.decode() == (
        '{"period_days":3650,"group_by":"a\\"","data":{"\u0430":{"count":3,"firing":1,"resolved":2},'
        '"A":{"count":1,"firing":1,"resolved":0}},"total_alerts":4}'
    )
    (asked,) = gateway.suite.history.reports
    assert asked.group_by == 'a"'
    begin, end = (datetime.fromisoformat(each) for each in (asked.starts_at_text_from, asked.starts_at_text_to))
    assert end - begin == timedelta(days=3650)
    assert abs(end.replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("days", "begin"),
    [
        ("740000", "0001-01-01T00:00:00"),
        ("9" * 300, "0001-01-01T00:00:00"),
        ("-99999999", "9999-12-31T23:59:59.999999"),
    ],
)
async def test_report_beyond_the_calendar_is_clamped(gateway: Gateway, days: str, begin: str) -> None:
    answer = await gateway.client.get(f"/report?days={days}")
    assert answer.content == b'{"period_days":%s,"group_by":"alertname","data":{},"total_alerts":0}' % days.encode()
    assert gateway.suite.history.reports[0].starts_at_text_from == begin


async def test_enrichment_mode_is_shown_with_its_source_and_set(gateway: Gateway) -> None:
    classifier = gateway.suite.classifier
    assert (await gateway.client.get("/enrichment/mode")).content == b'{"mode":"enriched","source":"default"}'
    answer = await gateway.client.post("/enrichment/mode", content=b'{"mode":"transparent_with_recommendations"}')
    assert answer.content == b'{"mode":"transparent_with_recommendations","source":"memory"}'
    classifier.mode, classifier.source = classifier_pb2.ENRICHMENT_MODE_TRANSPARENT, classifier_pb2.MODE_SOURCE_REDIS
    assert (await gateway.client.get("/enrichment/mode")).content == b'{"mode":"transparent","source":"redis"}'
    classifier.source = classifier_pb2.MODE_SOURCE_ENVIRONMENT
    assert (await gateway.client.get("/enrichment/mode")).content == b'{"mode":"transparent","source":"default"}'


@pytest.mark.parametrize(
    ("content_type", "body", "status", "answer"),
    [
        ("application/json", b"", 422, '{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}'),
        ("application/json", b"null", 422, '{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}'),
        ("application/json", b"{}", 422, '{"detail":[{"type":"missing","loc":["body","mode"],"msg":"Field required","input":{}}]}'),
        ("application/json", b"[]", 422, '{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":[]}]}'),
        ("application/json", b'{"mode":5}', 422, '{"detail":[{"type":"literal_error","loc":["body","mode"],"msg":"Input should be \'transparent\', \'enriched\' or \'transparent_with_recommendations\'","input":5,"ctx":{"expected":"\'transparent\', \'enriched\' or \'transparent_with_recommendations\'"}}]}'),
        ("application/json", b'{"mode":NaN}', 422, '{"detail":[{"type":"literal_error","loc":["body","mode"],"msg":"Input should be \'transparent\', \'enriched\' or \'transparent_with_recommendations\'","input":null,"ctx":{"expected":"\'transparent\', \'enriched\' or \'transparent_with_recommendations\'"}}]}'),
        ("application/json", b'{"mode":"\\ud800"}', 422, '{"detail":[{"type":"string_unicode","loc":["body","mode"],"msg":"Input should be a valid string, unable to parse raw data as a unicode string","input":"\ufffd"}]}'),
        ("application/json", b"{mode:1}", 422, '{"detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting property name enclosed in double quotes"}}]}'),
        ("application/vnd.x+JSON; a=b", b'{"mode":"enriched"}', 200, '{"mode":"enriched","source":"memory"}'),
        ("", b'{"mode":"enriched","mode":"transparent","x":1}', 200, '{"mode":"transparent","source":"memory"}'),
        ("text/plain", b'{"mode":\xff}', 422, '{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":"{\\"mode\\":\ufffd}"}]}'),
        ("application/json", b"\xff", 400, '{"detail":"There was an error parsing the body"}'),
        ("application/json", b"[" * 200_000, 400, '{"detail":"There was an error parsing the body"}'),
        ("application/json", b'{"mode":' + b"9" * 5000 + b"}", 400, '{"detail":"There was an error parsing the body"}'),
    ],
)  # fmt: skip
async def test_body_of_the_mode_is_validated(
    gateway: Gateway, content_type: str, body: bytes, status: int, answer: str
) -> None:
    headers = (f"Content-Type: {content_type}",) if content_type else ()
    got = await ask(gateway.port, "POST", "/enrichment/mode", *headers, body=body)
    assert (got.status, got.body.decode()) == (status, answer)


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        ("/health", rb'\{"status":"healthy","timestamp":\d+\.\d+\}'),
        ("/healthz", rb'\{"status":"healthy","timestamp":\d+\.\d+\}'),
        ("/readyz", rb'\{"status":"ready","uptime":[\d.e-]+,"dependencies":\{"database":true,"redis":true,"llm":true,"target_discovery":true\},"timestamp":\d+\.\d+\}'),
        ("/webhook/health", rb'\{"status":"healthy","endpoints":\["/webhook \(legacy\)","/webhook/proxy \(intelligent\)"\],"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?"\}'),
    ],
)  # fmt: skip
async def test_health(gateway: Gateway, target: str, pattern: bytes) -> None:
    answer = await gateway.client.get(target)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(pattern, answer.content)


@pytest.mark.parametrize("service", [fake_history.SERVICE, fake_ingest.SERVICE])
async def test_not_ready_without_a_service_that_is_needed(gateway: Gateway, service: str) -> None:
    await gateway.suite.set_serving(service, serves=False)
    answer = await gateway.client.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b'{"detail":"Service not ready"}')
    assert not await gateway.component.is_ready()
    assert (await gateway.client.get("/healthz")).status_code == 200


async def test_metrics_name_all_families_in_order_and_move_with_webhooks_and_services(gateway: Gateway) -> None:
    suite = gateway.suite
    suite.history.status = history_pb2.GetStatusResponse(occurrences=7, database_size_bytes=12_345_678)
    suite.publisher.status = publisher_pb2.GetStatusResponse(targets=2, pending=5)
    alerts = [{"labels": {"alertname": 'a"\\\nb'}}, {"labels": {"alertname": True}, "status": "resolved"}, 7]
    await gateway.client.post("/webhook", json={"alerts": alerts})
    await gateway.client.post("/webhook", content=b"{")
    answer = await gateway.client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert answer.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    text = answer.text
    assert text.endswith("\n")
    families = re.findall(r"^# TYPE alert_history_(\S+) (\w+)$", text, re.MULTILINE)
    assert [family for family in families if not family[0].endswith("_created")] == FAMILIES
    for sample in (
        'alert_history_webhook_events_total{alertname="a\\"\\\\\\nb",status="firing"} 1.0\n',
        'alert_history_webhook_events_total{alertname="True",status="resolved"} 1.0\n',
        'alert_history_request_latency_seconds_count{endpoint="webhook"} 1.0\n',
        "alert_history_webhook_errors_total 2.0\n",
        "alert_history_alerts_stored_total 7.0\n",
        "alert_history_database_size_bytes 1.2345678e+07\n",
        "alert_history_publishing_targets_discovered 2.0\n",
        "alert_history_publishing_queue_size 5.0\n",
        "alert_history_enrichment_mode_status 1.0\n",
        "alert_history_enrichment_enriched_alerts_total 0.0\n",
    ):
        assert sample in text


async def test_metrics_move_when_what_they_count_happens(gateway: Gateway) -> None:  # D25
    suite = gateway.suite
    suite.classifier.status.verdicts.add(severity=alert_pb2.SEVERITY_CRITICAL, source="rules", count=3)
    suite.classifier.stats.verdicts.add(severity=alert_pb2.SEVERITY_CRITICAL, source="rules", count=4)
    suite.classifier.stats.models.add(model="m", questions=7, failures=2, cache_hits=5)
    suite.classifier.status.transparent_events = 2
    suite.publisher.stats.append(publisher_pb2.TargetStats(target="ops", delivered=4, dead=1))
    for path in ("/webhook", "/webhook/"):
        await gateway.client.post(path, json={"alerts": [{"labels": {"alertname": "A"}}]})
    suite.ingest.error = (grpc.StatusCode.UNAVAILABLE, "away")
    await gateway.client.post("/webhook", json={"alerts": [{"labels": {"alertname": "A"}}]})
    text = (await gateway.client.get("/metrics")).text
    for sample in (
        'database_operations_total{operation="save_alert",status="success"} 2.0\n',
        'database_operations_total{operation="save_alert",status="error"} 1.0\n',
        'classification_total{model="rules",severity="critical"} 4.0\n',
        'classification_errors_total{error_type="llm"} 2.0\n',
        'cache_hits_total{cache_type="classification"} 5.0\n',
        'cache_misses_total{cache_type="classification"} 7.0\n',
        'publishing_total{status="success",target="ops"} 4.0\n',
        'publishing_total{status="failure",target="ops"} 1.0\n',
        "enrichment_transparent_alerts_total 2.0\n",
        "enrichment_enriched_alerts_total 3.0\n",
        "# TYPE alert_history_publishing_created gauge\n",
    ):
        assert f"alert_history_{sample}" in text or sample in text


async def test_metrics_keep_the_last_values_of_a_service_that_is_away(gateway: Gateway) -> None:
    gateway.suite.history.status = history_pb2.GetStatusResponse(occurrences=7)
    await gateway.client.get("/metrics")
    gateway.suite.history.error = (grpc.StatusCode.UNAVAILABLE, "away")
    answer = await gateway.client.get("/metrics")
    assert answer.status_code == 200
    assert "alert_history_alerts_stored_total 7.0\n" in answer.text


async def test_metrics_count_a_thousand_alert_names_and_the_rest_as_other(gateway: Gateway) -> None:
    accepted = [ingest_pb2.AcceptedAlert(alert_name=f"A{i}", is_firing=True) for i in range(1003)]
    gateway.suite.ingest.judge = lambda _: ingest_pb2.PayloadResult(accepted=accepted)
    await gateway.client.post("/webhook", content=b"{}")
    text = (await gateway.client.get("/metrics")).text
    assert 'webhook_events_total{alertname="A999",status="firing"} 1.0\n' in text
    assert 'webhook_events_total{alertname="(other)",status="firing"} 3.0\n' in text


async def test_page_explains_itself_to_browsers_and_loads_nothing_from_elsewhere(gateway: Gateway) -> None:
    for target in ("/", "/dashboard", "/dashboard/modern", "/dashboard/grouped"):
        answer = await gateway.client.get(target, headers={"accept": "text/html,*/*;q=0.8"})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text.startswith("<!doctype html>")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        for link in ("/history", "/report", "/metrics", "/dashboard"):
            assert f'href="{link}"' in answer.text
        assert "://" not in answer.text
    for asset, media_type in re.findall(r'"/assets/(page\.(\w+))"', answer.text):
        found = await gateway.client.get(f"/assets/{asset}")
        assert found.headers["content-type"].startswith({"css": "text/css", "js": "text/javascript"}[media_type])
        assert "innerHTML" not in found.text


async def test_request_id_is_taken_when_sane_and_made_otherwise(gateway: Gateway) -> None:
    taken = await gateway.client.get("/health", headers={"x-request-id": "a-1:b"})
    assert taken.headers["x-request-id"] == "a-1:b"
    for bad in ("", "a b", "x" * 129, "<script>"):
        made = await gateway.client.get("/health", headers={"x-request-id": bad})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


def _cors(answer: Answer) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name == "vary" or name.startswith("access-control-")
    }


FAMILIES = [
    ("webhook_events_total", "counter"),
    ("request_latency_seconds", "histogram"),
    ("webhook_errors_total", "counter"),
    ("database_operations_total", "counter"),
    ("alerts_stored_total", "gauge"),
    ("database_size_bytes", "gauge"),
    ("classification_total", "counter"),
    ("classification_duration_seconds", "histogram"),
    ("classification_errors_total", "counter"),
    ("classification_confidence", "histogram"),
    ("publishing_total", "counter"),
    ("publishing_duration_seconds", "histogram"),
    ("publishing_targets_discovered", "gauge"),
    ("publishing_queue_size", "gauge"),
    ("enrichment_mode_switches_total", "counter"),
    ("enrichment_mode_status", "gauge"),
    ("enrichment_mode_requests_total", "counter"),
    ("enrichment_transparent_alerts_total", "counter"),
    ("enrichment_enriched_alerts_total", "counter"),
    ("cache_hits_total", "counter"),
    ("cache_misses_total", "counter"),
    ("service_started_time", "gauge"),
    ("active_connections", "gauge"),
]
