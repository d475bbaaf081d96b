"""``/api/dashboard/…``: counts, charts, components, recent alerts and verdicts."""

from typing import Any

import grpc
import pytest

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.history.v1 import history_service_pb2 as history_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory_common.alert_codec import timestamp
from alerthistory_common.alerts import Instant
from tests.fakes.fake_history import occurrence
from tests.integration.gateway.conftest import Gateway

NOON = 1_800_000_000_000_000
METRICS_ONLY = publisher_pb2.PUBLISHING_MODE_METRICS_ONLY


async def _get(gateway: Gateway, path: str, **query: str | int) -> Any:
    answer = await gateway.client.get(f"/api/dashboard/{path}", params=query)
    assert answer.status_code == 200
    return answer.json()


def _classification(fingerprint: str, confidence: float) -> classifier_pb2.Classification:
    verdict = alert_pb2.Verdict(
        severity=alert_pb2.SEVERITY_NOISE, confidence=confidence, reasoning="why", recommendations=["do"]
    )
    return classifier_pb2.Classification(fingerprint=fingerprint, verdict=verdict, created_at=timestamp(Instant(NOON)))


async def test_the_overview_counts_what_the_services_have(gateway: Gateway) -> None:  # D16, D18
    suite = gateway.suite
    suite.history.stats = history_pb2.GetStatsResponse(total=3, firing=2, resolved=1, received=7)
    suite.publisher.status = publisher_pb2.GetStatusResponse(targets=2, delivered=5, dead=4)
    overview = await _get(gateway, "overview")
    assert (overview["total_alerts"], overview["active_alerts"], overview["resolved_alerts"]) == (3, 2, 1)
    assert overview["alerts_last_24h"] == 7
    assert suite.history.stats_asked[0].hours == 24
    assert (overview["successful_publishes"], overview["failed_publishes"]) == (5, 4)
    assert (overview["publishing_targets"], overview["publishing_mode"]) == (2, "intelligent")


async def test_a_source_without_targets_is_metrics_only(gateway: Gateway) -> None:
    gateway.suite.publisher.status = publisher_pb2.GetStatusResponse(mode=METRICS_ONLY)
    assert (await _get(gateway, "overview"))["publishing_mode"] == "metrics_only"
    publishing = (await _get(gateway, "health"))[3]
    assert publishing["status"] == "degraded"
    assert publishing["details"]["mode"] == "metrics_only"


async def test_charts_are_computed(gateway: Gateway) -> None:  # D16
    gateway.suite.history.stats = history_pb2.GetStatsResponse(
        timeline=[
            history_pb2.StatsHour(
                begins_at=timestamp(Instant(NOON)), firing=1, resolved=2, critical=3, warning=4, info=5
            )
        ],
        top_alerts=[
            history_pb2.StatsTopAlert(
                alert_name="Disk", namespace="prod", count=9, last_received_at=timestamp(Instant(NOON)), is_firing=True
            )
        ],
        severities=[history_pb2.StatsShare(value="critical", count=2), history_pb2.StatsShare(count=1)],
        statuses=[history_pb2.StatsShare(value="firing", count=3)],
        namespaces=[history_pb2.StatsShare(value="unknown", count=1), history_pb2.StatsShare(count=1)],
    )
    charts = await _get(gateway, "charts", hours=1)
    assert charts == {
        "alert_timeline": [
            {
                "timestamp": "2027-01-15T08:00:00",
                "firing_alerts": 1,
                "resolved_alerts": 2,
                "critical_alerts": 3,
                "warning_alerts": 4,
                "info_alerts": 5,
            }
        ],
        "top_alerts_by_frequency": [
            {
                "alert_name": "Disk",
                "namespace": "prod",
                "count": 9,
                "last_seen": "2027-01-15T08:00:00",
                "severity": "unknown",
                "status": "firing",
            }
        ],
        "top_alerts_by_severity": [],
        "severity_distribution": {"critical": 2, "unknown": 1},
        "status_distribution": {"firing": 3},
        "namespace_distribution": {"unknown": 2},
    }


async def test_a_history_that_is_away_is_a_503(gateway: Gateway) -> None:  # D15
    gateway.suite.history.error = (grpc.StatusCode.UNAVAILABLE, "away")
    for path in ("overview", "charts", "alerts/recent"):
        assert (await gateway.client.get(f"/api/dashboard/{path}")).status_code == 503
    database = (await _get(gateway, "health"))[0]
    assert (database["component"], database["status"]) == ("database", "unhealthy")


async def test_redis_is_shown_as_it_is(gateway: Gateway) -> None:  # D20
    gateway.suite.history.status.database_type = "postgresql"
    gateway.suite.classifier.status.redis.is_available = True
    database, redis, *_ = await _get(gateway, "health")
    assert database["details"] == {"type": "postgresql", "available": True}
    assert redis["status"] == "healthy"
    assert list(redis["details"]) == ["status", "response_time", "ping_success", "read_write_test", "cache"]
    assert (await _get(gateway, "overview"))["redis_connected"]
    gateway.suite.classifier.status.redis.is_available = False
    assert (await _get(gateway, "health"))[1]["status"] == "unhealthy"


async def test_recent_alerts_of_a_namespace_are_asked_of_history(gateway: Gateway) -> None:  # D17
    await _get(gateway, "alerts/recent", namespace="prod", status="firing", limit=7)
    (asked,) = gateway.suite.history.asked
    assert (asked.filter.namespace, asked.filter.status, asked.page_size) == ("prod", "firing", 7)
    assert asked.tie_order == history_pb2.TIE_ORDER_OLDEST_FIRST


async def test_severities_are_looked_at_among_the_newest_only(gateway: Gateway) -> None:
    gateway.suite.history.occurrences = [
        occurrence("A", fingerprint="a", labels_json=b'{"severity":"info"}'),
        occurrence("B", fingerprint="b", labels_json=b'{"severity":"critical"}'),
        occurrence("C", fingerprint="c", labels_json=b'{"severity":"critical"}'),
    ]
    found = await _get(gateway, "alerts/recent", severity="critical", limit=2)
    assert [each["fingerprint"] for each in found["alerts"]] == ["b"]
    assert found["filters_applied"] == {"severity": "critical", "status": None, "namespace": None, "limit": 2}


async def test_verdicts_are_shown_beside_alerts_and_unsure_ones_dropped(gateway: Gateway) -> None:
    gateway.suite.history.occurrences = [occurrence(name, fingerprint=name) for name in ("sure", "unsure", "none")]
    gateway.suite.classifier.classifications = [_classification("sure", 0.9), _classification("unsure", 0.2)]
    found = await _get(gateway, "alerts/recent", include_classification="true", min_confidence="0.5")
    assert [each["fingerprint"] for each in found["alerts"]] == ["sure", "none"]
    sure, none = found["alerts"]
    assert list(sure)[-4:] == [
        "classified_severity",
        "classified_confidence",
        "classified_reasoning",
        "classified_recommendations",
    ]
    assert "classified_severity" not in none


async def test_recommendations_are_verdicts_each_once(gateway: Gateway) -> None:  # D30
    gateway.suite.classifier.classifications = [_classification("a", 0.9), _classification("b", 0.4)]
    assert await _get(gateway, "recommendations") == {
        "total": 1,
        "items": [
            {
                "fingerprint": "a",
                "alert_name": None,
                "severity": "noise",
                "confidence": 0.9,
                "reasoning": "why",
                "recommendations": ["do"],
                "created_at": "2027-01-15T08:00:00",
            }
        ],
    }


@pytest.mark.parametrize("path", ["/classification/stats", "/classification/health", "/classification/x"])
async def test_without_an_llm_there_is_no_classification_service(gateway: Gateway, path: str) -> None:  # D5, D6
    answer = await gateway.client.get(path)
    assert (answer.status_code, answer.json()) == (503, {"detail": "Classification service not available"})
    assert "retry-after" not in answer.headers
