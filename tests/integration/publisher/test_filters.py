"""Filter rules over gRPC: kept durably, and asked about every event."""

import json
from typing import Any

import grpc
import pytest
from sqlalchemy import URL, text

from alerthistory.publisher.v1 import delivery_pb2, filter_rule_pb2, filter_service_pb2
from alerthistory_common.alerts import EventKind, Fingerprint, Severity, Verdict
from alerthistory_common.database import open_database
from alerthistory_publisher.app import SCHEMA
from tests.events import event, verdict
from tests.fakes.receiver import Receiver
from tests.publishers import Bench, Publisher

DENY = filter_rule_pb2.FILTER_ACTION_DENY


def said(**overrides: Any) -> Verdict:
    return verdict(**({"source": "llm", "confidence": 0.9, "severity": Severity.NOISE} | overrides))


async def rules(publisher: Publisher) -> list[filter_rule_pb2.FilterRule]:
    return list((await publisher.filters.ListRules(filter_service_pb2.ListRulesRequest(), timeout=10)).rules)


async def add(
    publisher: Publisher, name: str = "r", conditions: Any = None, **fields: Any
) -> filter_rule_pb2.FilterRule:
    content = json.dumps(conditions or {}).encode()
    given: dict[str, Any] = {"name": name, "action": DENY, "conditions_json": content, "is_enabled": True} | fields
    rule = filter_rule_pb2.FilterRule(**given)
    return (await publisher.filters.CreateRule(filter_service_pb2.CreateRuleRequest(rule=rule), timeout=10)).rule


async def delete(publisher: Publisher, name: str, target: str = "") -> int:
    request = filter_service_pb2.DeleteRuleRequest(name=name, target=target)
    return (await publisher.filters.DeleteRule(request, timeout=10)).deleted_count


async def test_the_seven_default_rules_are_there_once(bench: Bench) -> None:
    async with bench.publisher() as publisher:
        found = await rules(publisher)
        await delete(publisher, "block_noise_alerts")
    assert [(each.priority, each.name, each.is_enabled) for each in found] == [
        (1, "allow_critical_alerts", True),
        (5, "high_confidence_only", False),
        (8, "block_false_positives", True),
        (10, "block_noise_alerts", True),
        (15, "block_low_confidence", True),
        (20, "min_confidence_threshold", True),
        (30, "block_test_namespaces", False),
    ]
    async with bench.publisher() as publisher:
        assert len(await rules(publisher)) == 6


async def test_rules_are_kept_and_deleted_by_name_and_target(bench: Bench) -> None:
    async with bench.publisher() as publisher:
        made = await add(publisher, "ü\0", {"a": [1]}, target="ops", is_enabled=False)
        assert made.priority == 100
        for target in ("ops", ""):
            await add(publisher, "ü\0", target=target)
    async with bench.publisher() as publisher:
        assert made in await rules(publisher)
        assert await delete(publisher, "ü\0", "ops") == 2
        assert await delete(publisher, "ü\0") == 1
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await delete(publisher, "ü\0")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 1001},
        {"action": 0},
        {"action": 9},
        {"priority": -1},
        {"priority": 1001},
        {"conditions_json": b"[]"},
        {"conditions_json": b"{"},
        {"conditions_json": '{"a":1}'.encode("utf-16")},
        {"conditions_json": b'{"a":"' + b"x" * 70_000 + b'"}'},
    ],
)
async def test_a_rule_that_cannot_be_used_is_refused(bench: Bench, fields: dict[str, Any]) -> None:
    async with bench.publisher() as publisher:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await add(publisher, **fields)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert len(await rules(publisher)) == 7


async def test_noise_is_denied_and_counted_and_critical_is_not(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        assert await publisher.publish(event(event_id="1"), verdict=said()) == [[]]
        assert publisher.metric("alerthistory_publisher_denied_total", target="ops") == 1
        by_rules = said(source="rules")
        assert await publisher.publish(event(event_id="2"), verdict=by_rules) == [["ops"]]
        labelled = event(event_id="3", labels={"alertname": "A", "severity": "critical"})
        assert await publisher.publish(labelled, verdict=said()) == [["ops"]]
        doubtful = said(severity=Severity.CRITICAL, confidence=0.1)
        assert await publisher.publish(event(event_id="4"), verdict=doubtful) == [["ops"]]
        await add(publisher, "nothing at all", priority=1)
        assert await publisher.publish(event(event_id="5")) == [[]]
        (newest, *_) = await publisher.deliveries(state=delivery_pb2.DELIVERY_STATE_FILTERED)
        assert (newest.event_id, newest.decision) == ("5", "rule nothing at all: it denies such alerts")


async def test_a_rule_for_one_target_leaves_the_others_alone(bench: Bench, ops: Receiver, audit: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url}, {"name": "audit", "url": audit.url})
    async with bench.publisher() as publisher:
        await add(publisher, conditions={"alert_name": "High*"}, target="ops")
        assert await publisher.publish(event()) == [["audit"]]


async def test_the_end_of_what_was_told_is_never_denied(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    known, unknown = Fingerprint("known"), Fingerprint("unknown")
    async with bench.publisher() as publisher:
        await publisher.publish(event(event_id="1", fingerprint=known))
        await add(publisher, "nothing at all")
        ends = [
            event(event_id="2", fingerprint=known, kind=EventKind.RESOLVED),
            event(event_id="3", fingerprint=unknown, kind=EventKind.RESOLVED),
        ]
        assert await publisher.publish(*ends) == [["ops"], []]
        assert await publisher.publish(*ends) == [["ops"], []]


async def test_an_end_beside_its_beginning_is_not_denied(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    critical = {"alertname": "A", "severity": "critical"}
    async with bench.publisher() as publisher:
        pair = event(event_id="1", labels=critical), event(event_id="2", kind=EventKind.RESOLVED)
        assert await publisher.publish(*pair, verdict=said()) == [["ops"], ["ops"]]


async def test_the_end_of_what_was_denied_is_not_told(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        assert await publisher.publish(event(event_id="1"), verdict=said()) == [[]]
        assert await publisher.publish(event(event_id="2", kind=EventKind.RESOLVED)) == [[]]
        assert await publisher.publish(event(event_id="1"), event(event_id="2", kind=EventKind.RESOLVED)) == [[], []]


async def test_what_was_ordered_is_told_again_whatever_the_rules_say_now(bench: Bench, ops: Receiver) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        await add(publisher, "nothing at all")
        assert await publisher.publish(event()) == [["ops"]]
        assert len(await publisher.deliveries()) == 1


async def test_without_readable_rules_alerts_are_published(bench: Bench, ops: Receiver, store_url: URL) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        async with open_database(store_url, schema=SCHEMA) as database:
            await database.write(lambda connection: connection.execute(text("DROP TABLE filter_rules")))
        doubtful = said(severity=Severity.WARNING, confidence=0.1)
        assert await publisher.publish(event(), verdict=doubtful) == [["ops"]]
        assert publisher.metric("alerthistory_publisher_unfiltered_total") == 1
        await publisher.delivered()


async def test_a_rule_of_a_later_version_is_left_out(bench: Bench, ops: Receiver, store_url: URL) -> None:
    bench.configure({"name": "ops", "url": ops.url})
    async with bench.publisher() as publisher:
        await add(publisher, "nothing at all")
        async with open_database(store_url, schema=SCHEMA) as database:
            later = text("UPDATE filter_rules SET action = 'mute' WHERE name = 'nothing at all'")
            await database.write(lambda connection: connection.execute(later))
        assert len(await rules(publisher)) == 7
        assert await publisher.publish(event()) == [["ops"]]
