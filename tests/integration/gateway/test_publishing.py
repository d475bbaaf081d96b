"""``/publishing`` and ``/proxy``: every byte that the contract fixes."""

import re
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from alerthistory.publisher.v1 import publisher_service_pb2 as pb2
from alerthistory.publisher.v1 import target_pb2, target_service_pb2
from tests.fakes.fake_suite import FakeSuite
from tests.integration.gateway.conftest import Gateway, OpenGateway
from tests.integration.gateway.raw import ask

# ruff: noqa: E501  # Answers are written as they are.
TIME = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?"')
JSON = "Content-Type: application/json"
NOT_FOUND = b'{"detail":"Not Found"}'
NOT_ALLOWED = b'{"detail":"Method Not Allowed"}'


@pytest.fixture
def suite(suite: FakeSuite) -> FakeSuite:
    """Return services whose publisher has two targets, of which one was told four times."""
    told = pb2.TargetStats(
        target="ops",
        delivered=2,
        dead=1,
        pending=5,
        last_delivered_at=Timestamp(seconds=1767225600),
        filtered=7,
        superseded=11,
        breaker_state=pb2.BREAKER_STATE_CLOSED,
    )
    suite.publisher.targets = [
        target_pb2.Target(name="ops", format="slack", url="https://ops.example/s", is_enabled=True),
        target_pb2.Target(name="new", format="rootly", url="https://new.example", is_enabled=False),
    ]
    suite.publisher.stats = [told, pb2.TargetStats(target="new"), pb2.TargetStats(target="gone", dead=1, filtered=13)]
    suite.publisher.status = pb2.GetStatusResponse(targets=2, mode=pb2.PUBLISHING_MODE_INTELLIGENT)
    suite.publisher.recently_fired_alerts = 3
    return suite


@pytest.mark.parametrize(
    ("method", "target", "status", "headers", "body"),
    [
        ("GET", "/publishing/targets/", 307, {"location": "http://alert-history.local/publishing/targets"}, b""),
        ("GET", "/publishing/test/x/", 307, {"location": "http://alert-history.local/publishing/test/x"}, b""),
        ("POST", "/publishing/test/", 404, {}, NOT_FOUND),
        ("POST", "/publishing/test/a%2Fb", 404, {}, NOT_FOUND),
        ("DELETE", "/proxy/filters/rules/a%2Fb", 404, {}, NOT_FOUND),
        ("GET", "/publishing/nope", 404, {}, NOT_FOUND),
        ("GET", "/publishing/secrets", 404, {}, NOT_FOUND),
        ("GET", "/publishing/targets/refresh", 405, {"allow": "POST"}, NOT_ALLOWED),
        ("GET", "/publishing/test/x", 405, {"allow": "POST"}, NOT_ALLOWED),
        ("PUT", "/publishing/mode", 405, {"allow": "GET"}, NOT_ALLOWED),
        ("POST", "/proxy/targets", 405, {"allow": "GET"}, NOT_ALLOWED),
        ("GET", "/proxy/filters/rules", 405, {"allow": "POST"}, NOT_ALLOWED),
        ("DELETE", "/proxy/filters/rules", 405, {"allow": "POST"}, NOT_ALLOWED),
        ("POST", "/proxy/filters/rules/x", 405, {"allow": "DELETE"}, NOT_ALLOWED),
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


async def test_targets_are_shown_with_what_became_of_their_deliveries(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "GET", "/publishing/targets")
    assert answer.body == (
        b'[{"name":"ops","format":"slack","url":"https://ops.example/s","enabled":true,"priority":null,"last_successful_publish":"2026-01-01T00:00:00","total_publishes":3,"successful_publishes":2,"failed_publishes":1,"health_status":"degraded"},'
        b'{"name":"new","format":"rootly","url":"https://new.example","enabled":false,"priority":null,"last_successful_publish":null,"total_publishes":0,"successful_publishes":0,"failed_publishes":0,"health_status":"healthy"}]'
    )


async def test_stats_count_everything(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "GET", "/publishing/stats")
    assert answer.body.startswith(
        b'{"total_targets":2,"active_targets":1,"total_publishes":4,"successful_publishes":2,"failed_publishes":2,"success_rate":0.5,"targets":[{"name":"ops"'
    )
    assert TIME.fullmatch(answer.body.rpartition(b'"last_updated":')[2].removesuffix(b"}"))


@pytest.mark.parametrize(
    ("delivered", "dead", "expected"),
    [(0, 0, "healthy"), (4, 1, "healthy"), (79, 21, "degraded"), (1, 1, "degraded"), (49, 51, "unhealthy")],
)
async def test_health_of_a_target(gateway: Gateway, delivered: int, dead: int, expected: str) -> None:
    gateway.suite.publisher.stats = [pb2.TargetStats(target="ops", delivered=delivered, dead=dead)]
    shown = (await gateway.client.get("/publishing/targets")).json()
    assert shown[0]["health_status"] == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            pb2.GetStatusResponse(targets=2, mode=pb2.PUBLISHING_MODE_INTELLIGENT),
            b'{"mode":"intelligent","targets_available":true,"targets_count":2,"last_discovery_refresh":null,"kubernetes_available":false,"description":"Intelligent mode: 2 publishing targets active"}',
        ),
        (
            pb2.GetStatusResponse(
                mode=pb2.PUBLISHING_MODE_METRICS_ONLY,
                targets_refreshed_at=Timestamp(seconds=1767225600, nanos=500_000_000),
                is_kubernetes_available=True,
            ),
            b'{"mode":"metrics_only","targets_available":false,"targets_count":0,"last_discovery_refresh":"1767225600.5","kubernetes_available":true,"description":"Metrics-only mode: No publishing targets available, collecting metrics only"}',
        ),
    ],
)
async def test_mode(gateway: Gateway, status: pb2.GetStatusResponse, expected: bytes) -> None:
    gateway.suite.publisher.status = status
    assert (await ask(gateway.port, "GET", "/publishing/mode")).body == expected


async def test_a_refresh_with_issues_is_told(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "POST", "/publishing/targets/refresh")
    assert TIME.sub(b"T", answer.body) == (
        b'{"message":"Publishing targets refreshed successfully","targets_discovered":2,"refresh_timestamp":T,"success":true}'
    )
    gateway.suite.publisher.target_problems = [target_pb2.TargetProblem(source="file t.yaml", problem="no url")]
    answer = await ask(gateway.port, "POST", "/publishing/targets/refresh")
    assert TIME.sub(b"T", answer.body) == (
        b'{"message":"Publishing targets refresh completed with issues","targets_discovered":2,"refresh_timestamp":T,"success":false}'
    )
    gateway.suite.publisher.problem = "targets.yaml: is not YAML"
    answer = await ask(gateway.port, "POST", "/publishing/targets/refresh")
    assert TIME.sub(b"T", answer.body) == (
        b'{"message":"Publishing targets refresh completed with issues","targets_discovered":2,"refresh_timestamp":T,"success":false}'
    )
    answer = await ask(gateway.port, "POST", "/proxy/targets/refresh")
    assert (answer.status, answer.body) == (409, b'{"detail":"targets.yaml: is not YAML"}')


async def test_a_test_alert_is_sent_and_its_result_told(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "POST", "/publishing/test/ops")
    assert TIME.sub(b"T", answer.body) == (
        b'{"target_name":"ops","success":true,"status_code":200,"response_time_ms":0,"error_message":null,"test_timestamp":T}'
    )
    gateway.suite.publisher.test_answer = target_service_pb2.TestTargetResponse(
        problem="no connection", response_time=Duration(nanos=12_900_000)
    )
    body = b'{"test_alert":{"labels":{"a":"\xc3\xbc"}},"timeout_seconds":"5"}'
    answer = await ask(gateway.port, "POST", "/publishing/test/ops", JSON, body=body)
    assert TIME.sub(b"T", answer.body) == (
        b'{"target_name":"ops","success":false,"status_code":null,"response_time_ms":12,"error_message":"no connection","test_timestamp":T}'
    )
    first, second = gateway.suite.publisher.tests
    assert (first.alert_json, first.timeout.seconds) == (b"", 30)
    assert (second.alert_json, second.timeout.seconds) == (b'{"labels": {"a": "\\u00fc"}}', 5)


@pytest.mark.parametrize(("wanted", "given"), [(-5, 1), (0, 1), (300, 300), (10**30, 300)])
async def test_a_test_takes_between_a_second_and_five_minutes(gateway: Gateway, wanted: int, given: int) -> None:
    await gateway.client.post("/publishing/test/ops", json={"timeout_seconds": wanted})
    assert gateway.suite.publisher.tests[0].timeout.seconds == given


@pytest.mark.parametrize(
    ("target", "body", "status", "expected"),
    [
        ("unknown", b"", 404, b'{"detail":"Target \'unknown\' not found"}'),
        ("unknown", b"null", 404, b'{"detail":"Target \'unknown\' not found"}'),
        ("%D0%B0", b"{}", 404, '{"detail":"Target \'а\' not found"}'.encode()),
        ("%ff", b"", 404, '{"detail":"Target \'\ufffd\' not found"}'.encode()),
        ("unknown", b'{"timeout_seconds":"x"}', 422, b'{"detail":[{"type":"int_parsing","loc":["body","timeout_seconds"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"x"}]}'),
        ("ops", b'{"test_alert":[]}', 422, b'{"detail":[{"type":"dict_type","loc":["body","test_alert"],"msg":"Input should be a valid dictionary","input":[]}]}'),
        ("ops", b"[1]", 422, b'{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":[1]}]}'),
        ("ops", b"{", 422, b'{"detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting property name enclosed in double quotes"}}]}'),
        ("ops", b"\xff", 400, b'{"detail":"There was an error parsing the body"}'),
    ],
)  # fmt: skip
async def test_what_cannot_be_tested_is_refused(
    gateway: Gateway, target: str, body: bytes, status: int, expected: bytes
) -> None:
    answer = await ask(gateway.port, "POST", f"/publishing/test/{target}", JSON, body=body)
    assert (answer.status, answer.body) == (status, expected)
    assert gateway.suite.publisher.tests == []


async def test_static_answers(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "GET", "/publishing/health")
    assert TIME.sub(b"T", answer.body) == (
        b'{"status":"healthy","service":"publishing-management","endpoints":["GET /publishing/targets","POST /publishing/targets/refresh","GET /publishing/mode","GET /publishing/stats","POST /publishing/test/{target}","GET /publishing/secrets/template"],"timestamp":T}'
    )
    answer = await ask(gateway.port, "GET", "/publishing/secrets/template")
    assert len(answer.body) == 1193
    assert b'"data":{"url":"aHR0cHM6Ly9ldmVudHMucGFnZXJkdXR5LmNvbS92Mi9lbnF1ZXVl","routing_key":' in answer.body


async def test_proxy_targets(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "GET", "/proxy/targets")
    assert answer.body == (
        b'[{"name":"ops","type":"webhook","url":"https://ops.example/s","format":"slack","enabled":true,"health_status":"degraded","success_rate":0.6666666666666666,"last_success_time":"2026-01-01T00:00:00","circuit_breaker_state":"closed"},'
        b'{"name":"new","type":"webhook","url":"https://new.example","format":"rootly","enabled":false,"health_status":"unhealthy","success_rate":0.0,"last_success_time":null,"circuit_breaker_state":"unknown"}]'
    )


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (pb2.BREAKER_STATE_UNSPECIFIED, "unknown"),
        (pb2.BREAKER_STATE_CLOSED, "closed"),
        (pb2.BREAKER_STATE_OPEN, "open"),
        (pb2.BREAKER_STATE_HALF_OPEN, "half_open"),
        (99, "unknown"),
    ],
)
async def test_the_breaker_is_the_publishers(gateway: Gateway, state: pb2.BreakerState.ValueType, shown: str) -> None:
    gateway.suite.publisher.stats = [pb2.TargetStats(target="ops", delivered=1, breaker_state=state)]
    found = (await gateway.client.get("/proxy/targets")).json()
    assert [each["circuit_breaker_state"] for each in found] == [shown, "unknown"]


async def test_proxy_stats_before_anything_was_published(gateway: Gateway) -> None:
    gateway.suite.publisher.stats, gateway.suite.publisher.recently_fired_alerts = [], 0
    gateway.suite.publisher.status = pb2.GetStatusResponse(mode=pb2.PUBLISHING_MODE_METRICS_ONLY)
    answer = await ask(gateway.port, "GET", "/proxy/stats")
    assert answer.body == (
        b'{"proxy_enabled":true,"metrics_only_mode":true,"active_targets":0,"total_processed_alerts":0,"successful_publishes":0,"failed_publishes":0,"filtered_alerts":0,"classification_enabled":false,'
        b'"target_discovery_stats":{"enabled":true,"kubernetes_available":false,"targets_count":0,"last_refresh_time":null,"refresh_interval":"300s","watched_namespaces":["default","monitoring","alert-history"],"label_selectors":["alert-history.io/target=true"],"metrics_only_mode":true},'
        b'"filter_stats":{"global_rules_count":0,"target_specific_rules":{},"deduplication":{"window_seconds":300.0,"active_fingerprints":0,"total_tracked":0},"rate_limiting":{}},'
        b'"publisher_stats":{"total_attempts":0,"successful_publishes":0,"failed_publishes":0,"targets_count":0,"healthy_targets":0,"per_target_stats":{}}}'
    )


async def test_proxy_stats_afterwards(gateway: Gateway) -> None:
    stats: dict[str, Any] = (await gateway.client.get("/proxy/stats")).json()
    assert (stats["successful_publishes"], stats["failed_publishes"], stats["active_targets"]) == (2, 2, 2)
    assert (stats["total_processed_alerts"], stats["filtered_alerts"]) == (2 + 2 + 20 + 11, 20)
    assert stats["filter_stats"]["deduplication"] == {
        "window_seconds": 300.0,
        "active_fingerprints": 3,
        "total_tracked": 3,
    }
    assert stats["publisher_stats"]["total_attempts"] == 4
    deliveries = stats["publisher_stats"]
    assert (deliveries["targets_count"], deliveries["healthy_targets"]) == (2, 0)
    assert deliveries["per_target_stats"]["gone"]["is_healthy"] is False


async def test_proxy_health(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "GET", "/proxy/health")
    assert TIME.sub(b"T", answer.body) == (
        b'{"proxy_enabled":true,"components":{"target_manager":"degraded","alert_publisher":"healthy","filter_engine":"healthy","classification_service":"disabled"},"metrics_only_mode":false,"active_targets":2,"timestamp":T,"overall":"degraded"}'
    )


async def test_kubernetes_is_what_the_publisher_says(gateway: Gateway) -> None:
    gateway.suite.publisher.status.is_kubernetes_available = True
    health = (await gateway.client.get("/proxy/health")).json()
    assert (health["components"]["target_manager"], health["overall"]) == ("healthy", "healthy")
    assert (await gateway.client.get("/proxy/stats")).json()["target_discovery_stats"]["kubernetes_available"] is True
    *_, publishing = (await gateway.client.get("/api/dashboard/health")).json()
    assert publishing["details"]["discovery_stats"]["kubernetes_available"] is True


async def test_rules_are_added_counted_and_deleted(gateway: Gateway) -> None:
    body = '{"name":"ü","action":"deny","conditions":{"a":[NaN]},"priority":"7","enabled":"no","target_name":"ops"}'.encode()
    answer = await ask(gateway.port, "POST", "/proxy/filters/rules", JSON, body=body)
    assert answer.body == (
        '{"status":"success","message":"Filter rule \'ü\' added successfully","rule":{"name":"ü","action":"deny","priority":7,"target":"ops"}}'.encode()
    )
    (rule,) = gateway.suite.publisher.rules
    assert (rule.name, rule.target, rule.is_enabled, rule.conditions_json) == ("ü", "ops", False, b'{"a": [NaN]}')
    filters = (await gateway.client.get("/proxy/stats")).json()["filter_stats"]
    assert (filters["global_rules_count"], filters["target_specific_rules"]) == (0, {"ops": 1})
    answer = await ask(gateway.port, "DELETE", "/proxy/filters/rules/%C3%BC")
    assert (answer.status, answer.body) == (404, '{"detail":"Filter rule \'ü\' not found"}'.encode())
    answer = await ask(gateway.port, "DELETE", "/proxy/filters/rules/%C3%BC?target_name=x&target_name=ops")
    assert answer.body == '{"status":"success","message":"Filter rule \'ü\' removed successfully"}'.encode()
    filters = (await gateway.client.get("/proxy/stats")).json()["filter_stats"]
    assert filters["target_specific_rules"] == {"ops": 0}


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b"", 422, b'{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}'),
        (b'{"name":"","action":"deny","conditions":{}}', 400, b'{"detail":"Filter rule name cannot be empty"}'),
        (b'{"name":"x","action":"drop","conditions":{}}', 422, b'{"detail":[{"type":"string_pattern_mismatch","loc":["body","action"],"msg":"String should match pattern \'^(allow|deny|delay)$\'","input":"drop","ctx":{"pattern":"^(allow|deny|delay)$"}}]}'),
        (b'{"name":"x","action":"deny","conditions":{},"priority":1001}', 422, b'{"detail":[{"type":"less_than_equal","loc":["body","priority"],"msg":"Input should be less than or equal to 1000","input":1001,"ctx":{"le":1000}}]}'),
    ],
)  # fmt: skip
async def test_a_rule_that_is_wrong_is_refused(gateway: Gateway, body: bytes, status: int, expected: bytes) -> None:
    answer = await ask(gateway.port, "POST", "/proxy/filters/rules", JSON, body=body)
    assert (answer.status, answer.body) == (status, expected)
    assert gateway.suite.publisher.rules == []


@pytest.mark.parametrize("where", ["name", "target_name"])
async def test_a_lone_surrogate_is_refused(gateway: Gateway, where: str) -> None:
    fields = {"name": '"x"', "action": '"deny"', "conditions": "{}"} | {where: '"\\ud800"'}
    body = "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"
    answer = await ask(gateway.port, "POST", "/proxy/filters/rules", JSON, body=body.encode())
    assert answer.status == 422


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/publishing/targets", b"", 503),
        ("GET", "/publishing/mode", b"", 503),
        ("GET", "/publishing/stats", b"", 503),
        ("POST", "/publishing/targets/refresh", b"", 503),
        ("POST", "/publishing/test/x", b'{"timeout_seconds":"x"}', 503),
        ("POST", "/publishing/test/x", b"{", 422),
        ("GET", "/proxy/targets", b"", 503),
        ("GET", "/proxy/stats", b"", 503),
        ("GET", "/proxy/health", b"", 503),
        ("POST", "/proxy/targets/refresh", b"", 503),
        ("POST", "/proxy/filters/rules", b"{}", 503),
        ("POST", "/proxy/filters/rules", b"{", 422),
        ("DELETE", "/proxy/filters/rules/x", b"", 503),
        ("GET", "/publishing/health", b"", 200),
        ("GET", "/publishing/secrets/template", b"", 200),
    ],
)
async def test_while_the_publisher_is_away(
    idle_suite: FakeSuite, opened: OpenGateway, method: str, target: str, body: bytes, status: int
) -> None:
    async with opened(idle_suite, request_timeout_s=0.3) as gateway:
        answer = await ask(gateway.port, method, target, JSON, body=body)
    assert answer.status == status
    if status == 503:
        assert re.fullmatch(
            rb'\{"detail":"the (publisher|classifier) service does not answer; try again"\}', answer.body
        )
        assert answer.headers["content-type"] == "application/json"
