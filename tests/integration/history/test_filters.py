"""Filters of ListAlerts, ListOccurrences and ListEvents: the same answers on both stores."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import URL

from alerthistory.alert.v1 import alert_pb2
from alerthistory.history.v1 import history_service_pb2 as pb
from alerthistory_common import alert_codec, rpc_status
from alerthistory_common.alerts import Report, Severity
from alerthistory_common.matchers import Matcher
from alerthistory_history.adapters.selecting import FEW
from tests.integration.history.harness import TIMEOUT_S, History, at, firing, resolved, running

_PER_PAGE = 2
_CROWD = 2 * (FEW + 1)


def _labelled(fingerprint: str, start_s: float, labels: dict[str, Any], summary: str = "", **fields: Any) -> Report:
    texts = {name: labels.get(label, "") for name, label in _COLUMNS.items() if isinstance(labels.get(label, ""), str)}
    annotations = json.dumps({"description": f"about {fingerprint}", "summary": summary}).encode()
    return firing(
        fingerprint,
        start_s,
        start_s,
        **(texts | {"labels_json": json.dumps(labels).encode(), "annotations_json": annotations} | fields),
    )


_COLUMNS = {"alert_name": "alertname", "namespace": "namespace", "severity_label": "severity"}


@pytest.fixture
async def shop(history: History) -> History:
    """Return a history of a few alerts of a shop; each has the second of its start in its fingerprint."""
    await history.record(
        _labelled("1", 1, {"alertname": "Disk", "namespace": "db", "severity": "critical", "pod": "pg-1"}, "90% full"),
        _labelled(
            "2", 2, {"alertname": "Disk", "namespace": "web", "severity": "warning", "pod": "web-1"}, "ÄRGER hier"
        ),
        _labelled(
            "3", 3, {"alertname": "Slow", "namespace": "web", "severity": "info", "odd": 'a"\0b\n'}, "p99 is high"
        ),
        _labelled("4", 4, {"alertname": "Slow", "namespace": "", "pod": 5}, "p99 is very high"),
        _labelled(
            "5", 5, {"alertname": "Down", "pod": "web-2"}, annotations_json=b"[1]", labels_json=b'{"pod":"web-2"}'
        ),
    )
    history.clock.advance(10)
    await history.record(
        resolved(
            "2",
            2,
            6,
            6,
            alert_name="Disk",
            namespace="web",
            severity_label="warning",
            labels_json=b'{"alertname":"Disk","namespace":"web","pod":"web-1","severity":"warning"}',
            annotations_json='{"summary":"ÄRGER hier"}'.encode(),
        )
    )
    return history


def _matchers(*texts: str) -> dict[str, Any]:
    return {"matchers": [_message(Matcher.parse(text)) for text in texts]}


def _message(matcher: Matcher) -> pb.LabelMatcher:
    return pb.LabelMatcher(name=matcher.name, op=pb.MatchOp.Value(f"MATCH_OP_{matcher.op.name}"), value=matcher.value)


async def _alerts(
    history: History, wanted: dict[str, Any], per_page: int = _PER_PAGE
) -> AsyncIterator[alert_pb2.Alert]:
    token: str | None = None
    while token != "":
        request = pb.ListAlertsRequest(filter=pb.AlertFilter(**wanted), page_size=per_page, page_token=token or "")
        answer = await history.stub.ListAlerts(request, timeout=TIMEOUT_S)
        for each in answer.alerts:
            yield each
        token = answer.next_page_token


async def _occurrences(
    history: History, wanted: dict[str, Any], per_page: int = _PER_PAGE
) -> AsyncIterator[alert_pb2.Occurrence]:
    token: str | None = None
    while token != "":
        request = pb.ListOccurrencesRequest(
            filter=pb.OccurrenceFilter(**wanted), page_size=per_page, page_token=token or ""
        )
        answer = await history.stub.ListOccurrences(request, timeout=TIMEOUT_S)
        for each in answer.occurrences:
            yield each
        token = answer.next_page_token


async def _events(
    history: History, wanted: dict[str, Any], per_page: int = _PER_PAGE
) -> AsyncIterator[alert_pb2.AlertEvent]:
    token: str | None = None
    while token != "":
        request = pb.ListEventsRequest(filter=pb.EventFilter(**wanted), page_size=per_page, page_token=token or "")
        answer = await history.stub.ListEvents(request, timeout=TIMEOUT_S)
        for each in answer.events:
            yield each
        token = answer.next_page_token


Listing = Callable[..., AsyncIterator[Any]]
_LISTINGS: list[Listing] = [_alerts, _occurrences, _events]


async def _found(listing: Listing, history: History, wanted: dict[str, Any]) -> str:
    """Return the fingerprints found, sorted, each once."""
    return "".join(sorted({each.fingerprint async for each in listing(history, wanted)}))


_FINDS: list[tuple[dict[str, Any], str]] = [
    ({}, "12345"),
    (_matchers("pod=web-1"), "2"),
    (_matchers("namespace=web", "alertname=Slow"), "3"),
    (_matchers('odd="a\\"\0b\\n"'), "3"),
    (_matchers("pod="), "34"),
    (_matchers("pod!="), "125"),
    (_matchers("pod!=pg-1"), "2345"),
    (_matchers("pod=~web-.*"), "25"),
    (_matchers("pod=~web"), ""),
    (_matchers("pod!~web-.*"), "134"),
    (_matchers("pod=~web-.*", "alertname=Disk"), "2"),
    (_matchers("namespace=~"), "45"),
    ({"alert_name": "Disk"}, "12"),
    ({"namespace": "web"}, "23"),
    ({"namespace": "web", **_matchers("pod=~.+")}, "2"),
    ({"search": "P99"}, "34"),
    ({"search": '"is high"'}, "3"),
    ({"search": "high p99 slow"}, "34"),
    ({"search": "ärger"}, "2"),
    ({"search": "absent"}, ""),
    ({"search": "%"}, "1"),
]


@pytest.mark.parametrize("listing", _LISTINGS, ids=["alerts", "occurrences", "events"])
async def test_filters_find_what_they_name(shop: History, listing: Listing) -> None:
    found = [(wanted, await _found(listing, shop, wanted)) for wanted, _ in _FINDS]

    assert found == _FINDS


@pytest.mark.parametrize("listing", _LISTINGS, ids=["alerts", "occurrences", "events"])
async def test_what_many_alerts_meet_is_found_in_order(history: History, listing: Listing) -> None:
    parity = ("even", "odd")
    await history.record(
        *(_labelled(f"{number:04}", number, {"alertname": "X", "team": parity[number % 2]}) for number in range(_CROWD))
    )

    for team in ("team=even", "team=~ev.*", "team!=odd"):
        found = [each.fingerprint async for each in listing(history, _matchers(team) | {"alert_name": "X"}, 201)]
        assert sorted(found) == [f"{number:04}" for number in range(0, _CROWD, 2)]
        if listing is not _alerts:  # These changed all at once.
            assert found == sorted(found, reverse=listing is _occurrences)


async def test_severities_are_those_of_verdicts_before_those_of_labels(shop: History) -> None:
    (work,) = [work for work in await shop.lease() if work.event.fingerprint == "1"]
    await shop.complete(work, severity=Severity.NOISE)

    for listing in (_alerts, _events):
        assert await _found(listing, shop, {"severity": alert_pb2.SEVERITY_NOISE}) == "1"
        assert await _found(listing, shop, {"severity": alert_pb2.SEVERITY_CRITICAL}) == ""
        assert await _found(listing, shop, {"severity": alert_pb2.SEVERITY_WARNING}) == "2"
    assert await _found(_occurrences, shop, {"severity_label": "critical"}) == "1"


async def test_states_narrow(shop: History) -> None:
    assert await _found(_alerts, shop, {"is_firing": False}) == "2"
    assert await _found(_occurrences, shop, {"status": "resolved", **_matchers("pod=~web.*")}) == "2"
    assert await _found(_events, shop, {"is_firing": False}) == "2"
    assert await _found(_events, shop, {"is_firing": True}) == "12345"


async def test_times_begin_at_since_and_end_before_until(shop: History) -> None:
    started = {"started_since": _stamp(2), "started_until": _stamp(4)}
    assert await _found(_occurrences, shop, started) == "23"
    assert await _found(_events, shop, {"occurred_since": _stamp(10)}) == "2"
    assert await _found(_events, shop, {"occurred_until": _stamp(10), "namespace": "db"}) == "1"
    assert await _found(_alerts, shop, {"changed_since": _stamp(10)}) == "2"
    assert await _found(_alerts, shop, {"changed_until": _stamp(10)}) == "1345"
    nanos = Timestamp(seconds=_stamp(4).seconds, nanos=1)
    assert await _found(_occurrences, shop, {"started_since": _stamp(4), "started_until": nanos}) == "4"


_WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"matchers": [pb.LabelMatcher(name="a", op=pb.MATCH_OP_REGEX, value="(")]}, "filter.matchers[0]", "missing )"),
    ({"matchers": [pb.LabelMatcher(name="", op=pb.MATCH_OP_EQUAL)]}, "filter.matchers[0]", "name"),
    ({"matchers": [pb.LabelMatcher(name="a", value="b")]}, "filter.matchers[0].op", "how"),
    ({"matchers": [pb.LabelMatcher(name="a", op=pb.MATCH_OP_EQUAL)] * 21}, "filter.matchers", "at most 20"),
    ({"search": "x" * 1001}, "filter.search", "1000"),
]


@pytest.mark.parametrize("listing", _LISTINGS, ids=["alerts", "occurrences", "events"])
async def test_wrong_filters_are_refused_by_name(history: History, listing: Listing) -> None:
    for wanted, field, why in _WRONG:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _found(listing, history, wanted)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert field in (refused.value.details() or "")
        assert why in (refused.value.details() or "")


async def test_a_question_that_takes_too_long_says_how_to_narrow_it(migrated_url: URL) -> None:
    async with running(migrated_url, query_timeout_s=0.000_001) as history:
        with pytest.raises(grpc.aio.AioRpcError) as slow:
            await _found(_occurrences, history, _matchers("pod=~x"))

    error = rpc_status.from_rpc_error(slow.value)
    assert (error.code, error.reason) == ("DEADLINE_EXCEEDED", "QUERY_TOO_SLOW")
    assert "narrow it" in error.message


def _stamp(seconds: float) -> Timestamp:
    return alert_codec.timestamp(at(seconds))
