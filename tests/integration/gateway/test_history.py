"""``GET /history``: the bytes of alerts, pages, limits, and what is answered when history is away."""

import time

import grpc
import httpx
import pytest

from alerthistory.history.v1 import history_service_pb2 as pb2
from alerthistory_common.alert_codec import timestamp
from alerthistory_common.alerts import ZERO_TIME, Instant
from tests.fakes.fake_history import occurrence
from tests.fakes.fake_suite import FakeSuite
from tests.integration.gateway.conftest import Gateway, OpenGateway
from tests.integration.gateway.raw import ask, connected


async def test_alert_is_written_as_the_contract_shows_it(gateway: Gateway) -> None:
    gateway.suite.history.occurrences = [
        occurrence(
            'Disk "full"\\\n\x00\x7f\u2028 \u0430/',
            fingerprint="f\u00e9",
            is_firing=False,
            labels_json=b'{"a":1.0,"b":{"c":[1e-07,"\\u0000"]}}',
            annotations_json=b"null",
            ends_at=timestamp(Instant(1_735_787_045_123_456)),
            generator_url="",
        )
    ]
    answer = await gateway.client.get("/history")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.content.decode() == (
        '{"alerts":[{"fingerprint":"f\u00e9","alertname":"Disk \\"full\\"\\\\\\n\\u0000\x7f\u2028 \u0430/",'
        '"status":"resolved","labels":{"a":1.0,"b":{"c":[1e-07,"\\u0000"]}},"annotations":null,'
        '"startsAt":"2025-01-02T03:04:05+00:00","endsAt":"2025-01-02T03:04:05.123456+00:00","generatorURL":""}],'
        '"total":1}'
    )


async def test_firing_alert_without_end_and_link_shows_nulls_and_one_of_alertmanager_the_year_one(
    gateway: Gateway,
) -> None:
    gateway.suite.history.occurrences = [
        occurrence("A", fingerprint="1"),
        occurrence("A", fingerprint="2", ends_at=timestamp(ZERO_TIME), generator_url="http://p/g?x=1&y=<2>"),
    ]
    assert (await gateway.client.get("/history")).content == (
        b'{"alerts":[{"fingerprint":"1","alertname":"A","status":"firing","labels":{"alertname":"A"},"annotations":{},'
        b'"startsAt":"2025-01-02T03:04:05+00:00","endsAt":null,"generatorURL":null},'
        b'{"fingerprint":"2","alertname":"A","status":"firing","labels":{"alertname":"A"},"annotations":{},'
        b'"startsAt":"2025-01-02T03:04:05+00:00","endsAt":"0001-01-01T00:00:00+00:00",'
        b'"generatorURL":"http://p/g?x=1&y=<2>"}],"total":2}'
    )


@pytest.mark.parametrize(
    ("limit", "total", "asked"),
    [
        ("0", 0, []),
        ("1", 1, [1]),
        ("100", 100, [100]),
        ("1000", 1000, [1000]),
        ("1001", 1001, [1000, 1]),
        ("2500", 2500, [1000, 1000, 500]),
        ("-1", 2750, [1000, 1000, 1000]),
        ("99999999999999999999", 2750, [1000, 1000, 1000]),
    ],
)
async def test_limit_is_gathered_from_pages(gateway: Gateway, limit: str, total: int, asked: list[int]) -> None:
    gateway.suite.history.occurrences = [occurrence(fingerprint=str(i)) for i in range(2750)]
    document = (await gateway.client.get("/history", params={"limit": limit})).json()
    assert [alert["fingerprint"] for alert in document["alerts"]] == [str(i) for i in range(total)]
    assert document["total"] == total
    assert [request.page_size for request in gateway.suite.history.asked] == asked


async def test_no_limit_means_a_hundred_thousand(gateway: Gateway) -> None:
    gateway.suite.history.occurrences = [occurrence(labels_json=b"{}")] * 100_500
    document = (await gateway.client.get("/history?limit=-7")).json()
    assert document["total"] == len(document["alerts"]) == 100_000


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", pb2.TIE_ORDER_NEWEST_FIRST),
        ("start_time=2025&end_time=2026", pb2.TIE_ORDER_NEWEST_FIRST),
        ("alertname=", pb2.TIE_ORDER_NEWEST_FIRST),
        ("alertname=A", pb2.TIE_ORDER_OLDEST_FIRST),
        ("status=firing&start_time=2025", pb2.TIE_ORDER_OLDEST_FIRST),
    ],
)
async def test_filters_decide_the_order_of_ties(gateway: Gateway, query: str, order: pb2.TieOrder.ValueType) -> None:
    await gateway.client.get(f"/history?{query}")
    assert gateway.suite.history.asked[0].tie_order == order


async def test_filters_are_passed_on_as_text_and_the_last_of_repeated_ones_wins(gateway: Gateway) -> None:
    query = b"alertname=x&alertname=%D0%B0%00+b&status=Firing&fingerprint=f&start_time=2025%2B&end_time=;&limit=3&y=1"
    await ask(gateway.port, "GET", "/history?" + query.decode())
    (asked,) = gateway.suite.history.asked
    assert asked.filter == pb2.OccurrenceFilter(
        alert_name="\u0430\x00 b",
        status="Firing",
        fingerprint="f",
        starts_at_text_from="2025+",
        starts_at_text_to=";",
    )
    assert asked.page_size == 3


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ("abc", b'{"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"abc"}'),  # noqa: E501
        ("", b'{"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":""}'),  # noqa: E501
        ("%ff", '{"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"\ufffd"}'.encode()),  # noqa: E501
        ("9" * 4301, b'{"type":"int_parsing_size","loc":["query","limit"],"msg":"Unable to parse input string as an integer, exceeded maximum size","input":"' + b"9" * 4301 + b'"}'),  # noqa: E501
    ],
)  # fmt: skip
async def test_wrong_limit_is_422_in_the_words_of_pydantic(gateway: Gateway, limit: str, error: bytes) -> None:
    answer = await gateway.client.get(f"/history?limit={limit}")
    assert answer.status_code == 422
    assert answer.content == b'{"detail":[' + error + b"]}"


@pytest.mark.parametrize("limit", ["%201", "+1", "%2B1", "1.0", "01", "1%20"])
async def test_integers_of_the_query_are_read_leniently(gateway: Gateway, limit: str) -> None:
    assert (await gateway.client.get(f"/history?limit={limit}")).status_code == 200
    assert gateway.suite.history.asked[0].page_size == 1


async def test_with_history_away_the_answer_is_503(idle_suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(idle_suite, request_timeout_s=0.3) as gateway:
        started = time.monotonic()
        answer = await gateway.client.get("/history")
    assert time.monotonic() - started < 1
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.content == b'{"detail":"the history service does not answer; try again"}'


async def test_failure_between_pages_breaks_the_connection_instead_of_ending_the_document(gateway: Gateway) -> None:
    history = gateway.suite.history
    history.occurrences = [occurrence()] * 2500
    history.error, history.fails_from = (grpc.StatusCode.INTERNAL, "secret"), 1
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.client.get("/history?limit=-1")


async def test_reader_that_stalls_is_dropped(suite: FakeSuite, opened: OpenGateway) -> None:
    suite.history.occurrences = [occurrence(labels_json=b'{"a":"%s"}' % (b"x" * 10_000))] * 3000
    async with opened(suite, request_timeout_s=0.3) as gateway, connected(gateway.port) as connection:
        await connection.send(b"GET /history?limit=-1 HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 10
        while _answered(gateway) < 1:
            assert time.monotonic() < deadline
            await gateway.client.get("/healthz")
        assert len(suite.history.asked) < 3


def _answered(gateway: Gateway) -> float:
    labels = {"route": "/history", "method": "GET", "code": "200"}
    return gateway.registry.get_sample_value("alerthistory_gateway_http_requests_total", labels) or 0
